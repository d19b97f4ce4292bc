-- SPDX-License-Identifier: MIT
-- Pools that a forecast has reach their capacity: sql/pools/fill_advice_dry.sql.
--
-- Speaks from: 1 % within a time as long as the recording, or of sessions like it. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'will_run_dry'
ORDER BY share DESC, pool_id
LIMIT 5;
