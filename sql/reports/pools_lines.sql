-- SPDX-License-Identifier: MIT
-- The pools for people: a line each, with the strip (sql/reports/pools.sql says what its characters mean).
--
-- Columns: one, the line.
-- Reads temporary tables of sql/pools/tables.sql.

WITH wide AS (
  -- Columns of gets only where their durations are known: of markers they are not.
  SELECT min(max(max(length(name)), 4), 47) AS name,
         EXISTS (SELECT 1 FROM temp.pool_quantile WHERE what = 'get') AS has_gets
  FROM temp.pool_line
), cell AS (
  SELECT line.*, p_exhaust, z.capacity AS advised, strip, step_ns, is_heap,
         (SELECT p50_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'hold') AS hold_p50_ns,
         (SELECT p99_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'hold') AS hold_p99_ns,
         (SELECT p50_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'get') AS get_p50_ns,
         (SELECT p99_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'get') AS get_p99_ns
  FROM temp.pool_line AS line LEFT JOIN temp.pool_strip USING (pool_id) LEFT JOIN temp.pool_forecast USING (pool_id)
       LEFT JOIN temp.pool_sizing AS z USING (pool_id)
)
SELECT line FROM (
  SELECT 0 AS part, 0 AS failed, 0 AS risk, 0 AS full, 0 AS place,
         printf('%-*s %9s %9s %7s %8s %8s %9s %8s %8s%s  %s', wide.name, 'name', 'most used', 'capacity', 'full',
                'failures', 'dry', 'advised', 'hold p50', 'hold p99',
                CASE WHEN has_gets THEN printf(' %8s %8s', 'get p50', 'get p99') ELSE '' END,
                printf('in use over time, %d s a character', step_ns / 1000000000)) AS line
  FROM wide, (SELECT max(step_ns) AS step_ns FROM temp.pool_strip) WHERE step_ns > 0
  UNION ALL
  SELECT 1, failures > 0, p_exhaust, 1.0 * in_use_max / capacity, place,
         printf('%-*s %9s %9s %7s %8s %8s %9s %8s %8s%s  %s', wide.name, substr(cell.name, 1, wide.name),
                CASE WHEN is_heap THEN mp_bytes((SELECT max(used_bytes) FROM pool_heap, temp.pool_scope
                                                 WHERE pool_heap.pool_id = cell.pool_id AND t_ns BETWEEN from_ns AND now_ns))
                     WHEN in_use_max IS NULL THEN '-' ELSE printf('%,d', in_use_max) END,
                CASE WHEN capacity IS NULL THEN '-' ELSE printf('%,d', capacity) END,
                CASE WHEN in_use_max IS NULL OR capacity IS NULL THEN '-' ELSE mp_share(1.0 * in_use_max / capacity) END, printf('%,d', failures),
                CASE WHEN p_exhaust IS NULL THEN '-' WHEN p_exhaust < 0.0005 THEN '< 0.1 %' ELSE mp_share(p_exhaust) END,
                CASE WHEN advised IS NULL THEN '-' ELSE printf('%,d', advised) END,
                CASE WHEN hold_p50_ns IS NULL THEN '-' ELSE mp_duration(hold_p50_ns) END,
                CASE WHEN hold_p99_ns IS NULL THEN '-' ELSE mp_duration(hold_p99_ns) END,
                CASE WHEN NOT has_gets THEN ''
                     ELSE printf(' %8s %8s', CASE WHEN get_p50_ns IS NULL THEN '-' ELSE mp_duration(get_p50_ns) END,
                                 CASE WHEN get_p99_ns IS NULL THEN '-' ELSE mp_duration(get_p99_ns) END) END, strip)
  FROM cell, wide
)
ORDER BY part, failed DESC, risk DESC NULLS LAST, full DESC NULLS LAST, place;
