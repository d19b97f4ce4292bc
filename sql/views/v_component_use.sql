-- SPDX-License-Identifier: MIT
-- What each part of the program takes and holds, slot by slot: from the followed blocks (v_block).
--
--   component      as in v_call; 'other': what is in none
--   slot_ns        as in v_slot
--   allocs, frees  blocks that were born, and that ended, in it; a block that realloc moves ends and is born
--   bytes          of those born, asked for
--   live_bytes     at the slot's end, of the blocks that were born in the recording,
--   live_objects   and how many these are
--   bytes_variance of live_bytes: the truth lies within 2 of its roots 95 % of the time; 0 where all are followed
--
-- Caveats: estimates, unbiased, where blocks are a sample (`record --track`). No rows where there are no
-- components, as in v_component. A block belongs to who allocated it, also where another one releases it.
-- Example: SELECT slot_ns, live_bytes FROM v_component_use WHERE component = 'order_book'

CREATE VIEW v_component_use AS
WITH part AS (
  SELECT component_id, weight AS w, size_bytes AS y, born_ns, died_ns FROM block JOIN block_component USING (block_id)
), change AS (
  SELECT component_id, born_ns AS t_ns, w, y, 1 AS way FROM part
  UNION ALL
  SELECT component_id, died_ns, w, y, -1 FROM part WHERE died_ns IS NOT NULL
), by_slot AS (
  SELECT coalesce((SELECT max(slot_ns) FROM slot WHERE slot_ns <= t_ns), (SELECT min(slot_ns) FROM slot)) AS slot_ns, component_id,
         total(w * (way > 0)) AS allocs, total(w * (way < 0)) AS frees, total(w * y * (way > 0)) AS bytes,
         total(way * w * y) AS live_bytes, total(way * w) AS live_objects, total(way * w * (w - 1) * y * y) AS bytes_variance
  FROM change GROUP BY 1, 2
)
-- Rounded: sums of what comes and goes leave a rest of rounding errors.
SELECT name AS component, slot.slot_ns, coalesce(allocs, 0) AS allocs, coalesce(frees, 0) AS frees, coalesce(bytes, 0) AS bytes,
       round(total(live_bytes) OVER upto, 3) AS live_bytes, round(total(live_objects) OVER upto, 3) AS live_objects,
       max(0, round(total(bytes_variance) OVER upto, 1)) AS bytes_variance
FROM component JOIN slot
LEFT JOIN by_slot ON by_slot.slot_ns = slot.slot_ns AND by_slot.component_id = component.component_id
WINDOW upto AS (PARTITION BY component.component_id ORDER BY slot.slot_ns);
