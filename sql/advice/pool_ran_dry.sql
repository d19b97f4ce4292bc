-- SPDX-License-Identifier: MIT
-- Pools of which gets found no object.
--
-- Speaks from: 1 such get. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'ran_dry'
ORDER BY share DESC, pool_id
LIMIT 5;
