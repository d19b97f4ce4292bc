-- SPDX-License-Identifier: MIT
-- The pools for people: a line each, with the strip (sql/reports/pools.sql says what its characters mean).
--
-- Columns: one, the line.
-- Reads temporary tables of sql/pools/tables.sql.

WITH wide AS (
  SELECT min(max(max(length(name)), 4), 47) AS name FROM temp.pool_line
), cell AS (
  SELECT line.*, p_exhaust, z.capacity AS advised, strip, step_ns,
         (SELECT p50_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'hold') AS hold_p50_ns,
         (SELECT p99_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'hold') AS hold_p99_ns,
         (SELECT p50_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'get') AS get_p50_ns,
         (SELECT p99_ns FROM temp.pool_quantile AS q WHERE q.pool_id = line.pool_id AND what = 'get') AS get_p99_ns
  FROM temp.pool_line AS line LEFT JOIN temp.pool_strip USING (pool_id) LEFT JOIN temp.pool_forecast USING (pool_id)
       LEFT JOIN temp.pool_sizing AS z USING (pool_id)
)
SELECT line FROM (
  SELECT 0 AS part, 0 AS failed, 0 AS risk, 0 AS full, 0 AS place,
         printf('%-*s %9s %9s %7s %8s %8s %9s %8s %8s %8s %8s  %s', wide.name, 'name', 'most used', 'capacity', 'full',
                'failures', 'dry', 'advised', 'hold p50', 'hold p99', 'get p50', 'get p99',
                printf('in use over time, %d s a character', step_ns / 1000000000)) AS line
  FROM wide, (SELECT max(step_ns) AS step_ns FROM temp.pool_strip) WHERE step_ns > 0
  UNION ALL
  SELECT 1, failures > 0, p_exhaust, 1.0 * in_use_max / capacity, place,
         printf('%-*s %9s %9s %7s %8s %8s %9s %8s %8s %8s %8s  %s', wide.name, substr(cell.name, 1, wide.name),
                coalesce(printf('%,d', in_use_max), '-'), coalesce(printf('%,d', capacity), '-'),
                coalesce(mp_share(1.0 * in_use_max / capacity), '-'), printf('%,d', failures),
                CASE WHEN p_exhaust IS NULL THEN '-' WHEN p_exhaust < 0.0005 THEN '< 0.1 %' ELSE mp_share(p_exhaust) END,
                coalesce(printf('%,d', advised), '-'),
                coalesce(CASE WHEN hold_p50_ns IS NOT NULL THEN mp_duration(hold_p50_ns) END, '-'),
                coalesce(CASE WHEN hold_p99_ns IS NOT NULL THEN mp_duration(hold_p99_ns) END, '-'),
                coalesce(CASE WHEN get_p50_ns IS NOT NULL THEN mp_duration(get_p50_ns) END, '-'),
                coalesce(CASE WHEN get_p99_ns IS NOT NULL THEN mp_duration(get_p99_ns) END, '-'), strip)
  FROM cell, wide
)
ORDER BY part, failed DESC, risk DESC NULLS LAST, full DESC NULLS LAST, place;
