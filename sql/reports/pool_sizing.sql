-- SPDX-License-Identifier: MIT
-- How large single pools should be: analysis/forecast/sizing.h.
--
-- Columns:
--   name
--   figure
--   objects, bytes   NULL: not in this unit, or the size of objects is not known
--   means            what it is
--
-- Reads temporary tables of sql/pools/tables.sql.

WITH one AS (
  SELECT line.name, line.place AS pool_place, line.capacity AS now, object_bytes, risk, s.pages, z.*
  FROM temp.pool_scope, temp.pool_line AS line JOIN temp.pool_sizing AS z USING (pool_id) LEFT JOIN pool_sum AS s USING (pool_id)
)
SELECT name, figure, objects, bytes, means FROM (
  SELECT pool_place, 1 AS nth, name, 'capacity' AS figure, capacity AS objects, capacity_bytes AS bytes,
         printf('exceeded in a session like this one with a probability of %.3g', risk) AS means FROM one
  UNION ALL SELECT pool_place, 2, name, 'capacity_upper', capacity_upper, upper_bytes, 'in which one may be 95 % confident' FROM one
  UNION ALL SELECT pool_place, 3, name, 'capacity_best', capacity_best, NULL, 'if the most probable fit were the truth' FROM one
  UNION ALL SELECT pool_place, 4, name, 'capacity_now', now, now_bytes,
                   CASE WHEN risk_now IS NULL THEN 'risk not known'
                        ELSE printf('exceeded in a session like this one with a probability of %.3g', risk_now) END
            FROM one WHERE now IS NOT NULL
  UNION ALL SELECT pool_place, 5, name, 'saving', NULL, saving_bytes, 'by the capacity above, thread caches included' FROM one WHERE saving_bytes > 0
  UNION ALL SELECT pool_place, 6, name, 'growth_step', growth, growth_bytes, 'to add at once where it runs dry nevertheless' FROM one WHERE growth > 0
  UNION ALL SELECT pool_place, 7, name, 'thread_cache', thread_cache, thread_cache_bytes, 'for each thread, on top; bytes: of all threads' FROM one WHERE thread_cache > 0
  UNION ALL SELECT pool_place, 8, name, 'stride', NULL, stride_bytes,
                   CASE WHEN stride_bytes = object_bytes THEN 'from object to object: its size, no padding needed'
                        ELSE printf('from object to object, so that none lies across more lines than it must: %,d of padding',
                                    stride_bytes - object_bytes) END
            FROM one WHERE stride_bytes IS NOT NULL
  UNION ALL SELECT pool_place, 9, name, 'padding', NULL, max(capacity_bytes - packed_bytes, 0), 'that padding, of all objects' FROM one WHERE packed_bytes IS NOT NULL
  UNION ALL SELECT pool_place, 10, name, 'prefault', NULL, capacity_bytes,
                   'touch it all at start: MAP_POPULATE, memset or mlockall' || CASE WHEN capacity_bytes >= 2097152
                   THEN '; from 2 MiB on, huge pages: madvise(MADV_HUGEPAGE)' ELSE '' END
            FROM one WHERE capacity_bytes > 0
)
ORDER BY pool_place, nth;
