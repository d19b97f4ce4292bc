-- SPDX-License-Identifier: MIT
-- What lives and what grows, in words; where no block was followed, how to do that.
--
-- Parameters: :tid (NULL: all) :from_ns :to_ns :lost_ns (as in object_coverage.sql)
-- Columns:
--   sentence
--   grows by 3.10 MiB a second in the second half, in 16 of its 16 parts (+- 0.20 MiB): leak holds 92 % of that
--
-- That it grows is told where all of these hold: more came than went in 15 or 16 of 16 equal parts of the second half of the
-- time (by chance once in 3855 times, if either is as likely); the estimate is 3.29 standard errors above 0; and more was
-- allocated than released there, which is counted exactly. A site has a part of it where its own growth is 3.29 standard
-- errors above 0.
-- Reads temporary tables of analysis/heap/heap.h.

WITH scope AS (
  SELECT *, (to_ns - half_ns) / 1e9 AS half_s FROM temp.heap_scope
), net AS (
  -- Of all threads and sizes, in whole slots.
  SELECT total(CASE WHEN op.name IN ('free', 'delete') THEN -calls WHEN op.name IN ('realloc', 'reallocarray') THEN 0
               ELSE calls END) AS n
  FROM latency_sum JOIN op USING (op_id), scope WHERE slot_ns >= half_ns AND slot_ns < :to_ns
), growth AS (
  SELECT scope.*, net.n AS net FROM scope, net
  WHERE rises >= segments - 1 AND grown_bytes > 3.29 * grown_bytes_sd AND grown_bytes > 0
    AND (net.n > 0 OR NOT EXISTS (SELECT 1 FROM latency_sum WHERE slot_ns >= half_ns))
), grower AS (
  SELECT site, h.grown_bytes / growth.grown_bytes AS part, h.kept_share, h.rows, row_number() OVER (ORDER BY h.grown_bytes DESC) AS nth
  FROM temp.heap_site h JOIN temp.heap_site_name USING (site_no), growth
  WHERE h.grown_bytes > 3.29 * h.grown_bytes_sd AND h.grown_bytes > 0.1 * growth.grown_bytes
), lost AS (
  SELECT CAST(total(lost) AS INTEGER) AS n FROM loss
  WHERE (what = 'rows' OR source = 'tracked call ring') AND t_ns >= :from_ns AND t_ns < :lost_ns
    AND (SELECT value FROM session WHERE key = 'track') = 'all'
)
SELECT sentence FROM (
  SELECT 0 AS part, 0 AS place,
         'no blocks were followed: record a process that carries libmpsample.so (mpsample record -- COMMAND), or all blocks by '
         || 'probes (--track all)' AS sentence
  WHERE coalesce((SELECT value FROM session WHERE key = 'track'), 'off') = 'off'
  UNION ALL
  SELECT 1, 0, 'of what was allocated in the recording ' || mp_bytes(CAST(round(live_bytes) AS INTEGER))
         || CASE WHEN live_bytes_sd > 0 THEN ' (+- ' || mp_bytes(CAST(round(2 * live_bytes_sd) AS INTEGER)) || ')' ELSE '' END
         || ' in ' || printf('%,d', CAST(round(live_objects) AS INTEGER)) || ' blocks live at the end'
  FROM scope WHERE rows > 0
  UNION ALL
  SELECT 2, 0, 'grows by ' || mp_bytes(CAST(round(grown_bytes / half_s) AS INTEGER)) || ' a second in the second half, in '
         || rises || ' of its ' || segments || ' parts'
         || CASE WHEN grown_bytes_sd > 0 THEN ' (+- ' || mp_bytes(CAST(round(2 * grown_bytes_sd / half_s) AS INTEGER)) || ')'
            ELSE '' END
         || coalesce(': ' || (SELECT group_concat(site || ' holds ' || mp_share(part) || ' of that', ', ')
                              FROM (SELECT * FROM grower WHERE nth <= 3 ORDER BY nth)), '')
  FROM growth
  UNION ALL
  SELECT 3, nth, site || ': of its blocks ' || mp_share(kept_share) || ' were not released until the end'
  FROM grower WHERE nth <= 3 AND kept_share >= 0.5 AND rows >= 20
  UNION ALL
  SELECT 4, 0, printf('%,d', n) || ' calls were LOST: blocks whose release was among them look alive'
  FROM lost WHERE n > 0
)
ORDER BY part, place;
