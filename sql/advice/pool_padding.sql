-- SPDX-License-Identifier: MIT
-- Objects that take a whole cache line for their last few bytes.
--
-- Speaks from: 1 to 16 bytes above a multiple of 64. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'padding'
ORDER BY share DESC, pool_id
LIMIT 5;
