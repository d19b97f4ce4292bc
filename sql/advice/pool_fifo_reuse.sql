-- SPDX-License-Identifier: MIT
-- Large pools that give out what was put back first: it is cold by then.
--
-- Speaks from: 1000 reuses, half of them, with 32 KiB of other objects between. At most 5 pools, those with the largest share.

SELECT name || ': ' || finding AS finding, 'pool' AS kind, site, evidence, setting AS advice, NULL AS weight_ns, share
FROM temp.pool_advice
WHERE rule = 'fifo_reuse'
ORDER BY share DESC, pool_id
LIMIT 5;
