-- SPDX-License-Identifier: MIT
-- What to change about pools: v_pool_advice, and will_run_dry and too_large, which need a forecast.
--
-- Columns: as those of v_pool_advice.
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, rule, finding, site, evidence, setting, effect, how_to_check, share, pool_id
FROM temp.pool_advice
ORDER BY (SELECT place FROM temp.pool_line AS l WHERE l.pool_id = pool_advice.pool_id), share DESC, rule, site;
