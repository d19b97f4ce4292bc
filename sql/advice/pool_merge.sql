-- SPDX-License-Identifier: MIT
-- Pools of one size, of which one is full and another has room.
--
-- Speaks from: 95 % of the one, less than half of the other. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'merge'
ORDER BY share DESC, pool_id
LIMIT 5;
