-- SPDX-License-Identifier: MIT
-- Pools whose pages were first touched while they were in use.
--
-- Speaks from: 4 page faults at known objects. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'prefault'
ORDER BY share DESC, pool_id
LIMIT 5;
