-- SPDX-License-Identifier: MIT
-- Pools whose objects are much larger than what is asked for.
--
-- Speaks from: 1000 gets that asked for half of an object on average. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'split'
ORDER BY share DESC, pool_id
LIMIT 5;
