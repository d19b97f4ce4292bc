-- SPDX-License-Identifier: MIT
-- Who held objects of single pools when most were out.
--
-- Columns:
--   name
--   site            that took them
--   at_high_water   how many it held then; share: of all that were out
--   hold_p50_ns, hold_p99_ns   how long its objects are held
--   stack_id        v_stack
--
-- Caveats: of the whole recording.
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, coalesce(site, printf('0x%x', ip)) AS site, at_high_water,
       1.0 * at_high_water / sum(at_high_water) OVER (PARTITION BY pool_id) AS share, hold_p50_ns, hold_p99_ns, stack_id
FROM temp.pool_line JOIN v_pool_site USING (pool_id)
WHERE at_high_water > 0
ORDER BY place, at_high_water DESC, site
LIMIT 30;
