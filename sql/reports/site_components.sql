-- SPDX-License-Identifier: MIT
-- What parts of the program ask of the allocator, the most time first (`record --components`, `mpsample classify`).
--
-- Parameters: :op (NULL: all), :limit (-1: all)
-- Columns:
--   share          of the time of all components, 0 to 1
--   time_ns        estimated time spent: sum of weight x duration
--   component      'other': what no rule decides
--   op
--   calls, bytes   unbiased estimates: sums of weights (x size) over the kept calls
--   rows           the kept calls behind the estimates
--   max_ns         the slowest kept call
--
-- Caveats: no rows where there are no components (v_component). A free belongs to who frees.
-- Reads temporary tables of analysis/sites/sites.h.

WITH part AS (
  SELECT component_id, op_id, time_ns, calls, bytes, rows, max_ns FROM temp.sites_component
  WHERE :op IS NULL OR op_id = (SELECT op_id FROM op WHERE name = :op)
)
SELECT time_ns * 1.0 / nullif((SELECT total(time_ns) FROM part), 0) AS share, time_ns,
       component.name AS component, op.name AS op, calls, bytes, rows, max_ns
FROM part JOIN component USING (component_id) JOIN op USING (op_id)
ORDER BY time_ns DESC, component, op
LIMIT :limit;
