-- SPDX-License-Identifier: MIT
-- Objects that were put back into a pool that they did not come from.
--
-- Speaks from: 1 such put. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'foreign_put'
ORDER BY share DESC, pool_id
LIMIT 5;
