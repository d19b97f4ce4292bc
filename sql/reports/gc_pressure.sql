-- SPDX-License-Identifier: MIT
-- Pressure on memory and CPU, while it was recorded.
--
-- Parameters: :from_ns :to_ns :covered_ns :limit (-1: all)
-- Columns:
--   name            as in v_pressure, with its unit
--   first, last, most
--   counted_per_s   of what counts on (bytes allocated, faults, stalls): by how much, a second. NULL: it tells a state
--   in_pauses_share of that, how much came in pauses or within 100 ms of their beginning; NULL: there were no pauses

WITH one AS (
  SELECT name, t_ns, value, value - lag(value) OVER (PARTITION BY name ORDER BY t_ns) AS more,
         first_value(value) OVER (PARTITION BY name ORDER BY t_ns) AS first,
         first_value(value) OVER (PARTITION BY name ORDER BY t_ns DESC) AS last
  FROM pressure WHERE t_ns >= :from_ns AND t_ns < :to_ns
), told AS (
  SELECT *, name GLOB '*faults' OR name GLOB 'psi_*_ns' OR name GLOB '*allocated_bytes' OR name GLOB '*_events' AS is_counted,
         EXISTS (SELECT 1 FROM temp.gc_pause WHERE from_ns BETWEEN t_ns - 100000000 - (SELECT max(felt_ns) FROM temp.gc_pause) AND t_ns
                 AND t_ns <= from_ns + max(felt_ns, 100000000)) AS is_near
  FROM one
)
SELECT name, first, last, max(value) AS most,
       CASE WHEN is_counted THEN round(total(more) * 1e9 / nullif(:covered_ns, 0), 1) END AS counted_per_s,
       CASE WHEN is_counted AND total(more) > 0 AND EXISTS (SELECT 1 FROM temp.gc_pause)
            THEN total(CASE WHEN is_near THEN more END) / total(more) END AS in_pauses_share
FROM told
GROUP BY name
ORDER BY name
LIMIT :limit;
