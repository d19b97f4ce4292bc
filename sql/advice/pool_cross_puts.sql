-- SPDX-License-Identifier: MIT
-- Objects that one thread takes and another gives back: their lines move between caches.
--
-- Speaks from: 1000 puts, 20 % of them. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'cross_puts'
ORDER BY share DESC, pool_id
LIMIT 5;
