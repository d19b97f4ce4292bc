-- SPDX-License-Identifier: MIT
-- Heaps of which much is free, but in pieces that are too small.
--
-- Speaks from: a quarter of what is free, and 1 MiB. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'fragmented'
ORDER BY share DESC, pool_id
LIMIT 5;
