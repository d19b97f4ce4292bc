-- SPDX-License-Identifier: MIT
-- What lives, by slot and site: of the blocks that were born in the recording, at the end of each slot.
--
--   slot_ns         as in v_slot, from the slot on in which the site's first block was born
--   site            as in v_block
--   live_bytes      estimates (v_block): bytes that were asked for,
--   live_objects    and blocks
--   bytes_variance, objects_variance   of these estimates: the truth lies within 2 of their roots 95 % of the time
--   rows            followed blocks behind them
--
-- Caveats: blocks from before the recording are not here. A row for each slot and site: of a long recording ask for one
-- site, or few slots.
-- Example: SELECT slot_ns, sum(live_bytes) FROM v_live GROUP BY slot_ns

CREATE VIEW v_live AS
WITH at_site AS (
  SELECT block.*, coalesce(site, '[no stack]') AS site FROM block LEFT JOIN stack_site USING (stack_id)
), change AS (
  SELECT born_ns AS t_ns, site, weight AS w, size_bytes AS y, 1 AS way FROM at_site
  UNION ALL
  SELECT died_ns, site, weight, size_bytes, -1 FROM at_site WHERE died_ns IS NOT NULL
), by_slot AS (
  SELECT coalesce((SELECT max(slot_ns) FROM slot WHERE slot_ns <= t_ns), (SELECT min(slot_ns) FROM slot)) AS slot_ns, site,
         total(way * w * y) AS bytes, total(way * w) AS objects, total(way * w * (w - 1) * y * y) AS bytes_variance,
         total(way * w * (w - 1)) AS objects_variance, sum(way) AS rows
  FROM change GROUP BY 1, 2
), first AS (
  SELECT site, min(slot_ns) AS first_ns FROM by_slot GROUP BY site
)
-- Rounded: sums of what comes and goes leave a rest of rounding errors.
SELECT slot.slot_ns, first.site, round(total(bytes) OVER upto, 3) AS live_bytes, round(total(objects) OVER upto, 3) AS live_objects,
       max(0, round(total(bytes_variance) OVER upto, 1)) AS bytes_variance,
       max(0, round(total(objects_variance) OVER upto, 1)) AS objects_variance,
       CAST(total(rows) OVER upto AS INTEGER) AS rows
FROM first JOIN slot ON slot.slot_ns >= first_ns
LEFT JOIN by_slot ON by_slot.slot_ns = slot.slot_ns AND by_slot.site = first.site
WINDOW upto AS (PARTITION BY first.site ORDER BY slot.slot_ns);
