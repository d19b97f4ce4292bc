-- SPDX-License-Identifier: MIT
-- Pools on more pages than a TLB has room for.
--
-- Speaks from: 1024 pages. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'hugepages'
ORDER BY share DESC, pool_id
LIMIT 5;
