-- SPDX-License-Identifier: MIT
-- Pools that could be smaller at a risk of 1e-3 a session: sql/pools/fill_advice_large.sql.
--
-- Speaks from: 64 KiB, and a quarter of the pool. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'too_large'
ORDER BY share DESC, pool_id
LIMIT 5;
