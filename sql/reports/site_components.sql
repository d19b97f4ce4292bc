-- SPDX-License-Identifier: MIT
-- What parts of the program ask of the allocator, the most time first (`record --components`, `mpsample classify`).
--
-- Parameters: :from_ns :to_ns :tid :op (NULL: all), :limit (-1: all)
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

WITH part AS (
  SELECT component_id, op_id, total(weight * dur_ns) AS time_ns, sum(weight) AS calls,
         total(weight * size_bytes) AS bytes, count(*) AS rows, max(dur_ns) AS max_ns
  FROM call_component JOIN call USING (call_id)
  WHERE t_ns >= :from_ns AND t_ns < :to_ns AND (:tid IS NULL OR tid = :tid)
    AND (:op IS NULL OR op_id = (SELECT op_id FROM op WHERE name = :op))
  GROUP BY component_id, op_id
)
SELECT time_ns / nullif((SELECT total(time_ns) FROM part), 0) AS share, CAST(time_ns AS INTEGER) AS time_ns,
       component.name AS component, op.name AS op, calls, CAST(bytes AS INTEGER) AS bytes, rows, max_ns
FROM part JOIN component USING (component_id) JOIN op USING (op_id)
ORDER BY time_ns DESC, component, op
LIMIT :limit;
