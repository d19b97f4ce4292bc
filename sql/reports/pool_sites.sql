-- SPDX-License-Identifier: MIT
-- Who takes objects out of single pools, and for how long.
--
-- Columns:
--   name, site
--   gets
--   hold_p50_ns, hold_p99_ns, hold_max_ns, hold_mean_ns   of those that were put back
--   held            still out at the end; oldest_held_ns: for how long the oldest of them is
--
-- Caveats: of the whole recording.
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, coalesce(site, printf('0x%x', ip)) AS site, s.gets, hold_p50_ns, hold_p99_ns,
       CASE WHEN holds > 0 THEN hold_max_ns END AS hold_max_ns, hold_sum_ns / nullif(holds, 0) AS hold_mean_ns, held,
       CASE WHEN held > 0 THEN coalesce(destroyed_ns, end_ns) - oldest_ns END AS oldest_held_ns
FROM session_time, temp.pool_line JOIN v_pool_site AS s USING (pool_id)
ORDER BY place, s.gets DESC, site
LIMIT 30;
