-- SPDX-License-Identifier: MIT
-- What parts of the program ask of the allocator: one row for each component and operation, from the kept calls.
--
--   component     as in v_call; 'other': what is in none
--   op
--   calls, bytes  sums of weights (x size) over the kept calls: unbiased estimates of all calls
--   time_ns       sum of weight x duration: an estimate of the time spent
--   max_ns        the slowest kept call
--   rows          the kept calls behind these figures: estimates from a few rows can be far off
--
-- Caveats: no rows where no rules were given (`record --components`, `mpsample classify`), and the program names no
-- components itself (MPSAMPLE_COMPONENT_BEGIN). How often these ended that had not begun is in v_counter
-- (component_end_without_begin). A free belongs to who frees.
-- Example: SELECT component, sum(bytes) FROM v_component GROUP BY component ORDER BY 2 DESC

CREATE VIEW v_component AS
SELECT component.name AS component, op.name AS op, sum(weight) AS calls,
       CAST(total(weight * size_bytes) AS INTEGER) AS bytes, CAST(total(weight * dur_ns) AS INTEGER) AS time_ns,
       max(dur_ns) AS max_ns, count(*) AS rows
FROM call_component JOIN component USING (component_id) JOIN call USING (call_id) JOIN op USING (op_id)
GROUP BY component_id, op_id;
