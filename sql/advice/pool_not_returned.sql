-- SPDX-License-Identifier: MIT
-- Sites whose objects were not put back.
--
-- Speaks from: 1 object of a pool that was destroyed, or one held for 10 times as long as 99 % of the others. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'not_returned'
ORDER BY share DESC, pool_id
LIMIT 5;
