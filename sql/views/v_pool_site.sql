-- SPDX-License-Identifier: MIT
-- Who takes objects out of pools, by the place in the program.
--
--   pool_id        v_pool
--   ip             return address of the get; where markers tell of it, the marker's own
--   site           function and line; NULL: not named yet
--   stack_id       v_stack: one of the stacks that led there
--   gets           from there
--   holds, hold_sum_ns, hold_max_ns, hold_p50_ns, hold_p99_ns   of those that were put back
--   at_high_water  held when most were out
--   held           at the end of the recording, or of the pool; oldest_ns: since when the oldest of them is
--
-- Example: SELECT name, site, at_high_water FROM v_pool_site JOIN v_pool USING (pool_id) ORDER BY at_high_water DESC

CREATE VIEW v_pool_site AS
SELECT pool_id, ip, site, stack_id, gets, holds, hold_sum_ns, hold_max_ns, hold_p50_ns, hold_p99_ns, at_high_water,
       held, oldest_ns
FROM pool_site
LEFT JOIN stack_site USING (stack_id);
