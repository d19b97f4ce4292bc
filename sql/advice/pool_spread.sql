-- SPDX-License-Identifier: MIT
-- Pools whose objects lie on many more pages than they need.
--
-- Speaks from: twice the pages, 16 more. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'spread'
ORDER BY share DESC, pool_id
LIMIT 5;
