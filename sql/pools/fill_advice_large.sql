-- SPDX-License-Identifier: MIT
-- Rule too_large: what the risk that is accepted asks for is less than what the pool has.
--
-- Speaks from: 64 KiB, and a quarter of the pool. analysis/forecast/sizing.h advises nobody to go below what the recording
-- leaves possible with 95 % confidence.

INSERT INTO temp.pool_advice
SELECT pool_id, name, 'too_large', 'larger than it needs to be', NULL,
       printf('at most %,d of %,d in use; %,d bytes', in_use_max, line.capacity, now_bytes),
       printf('a capacity of %,d: exceeded in one session of %,d', z.capacity, CAST(round(min(1 / risk, 1e15)) AS INTEGER))
       || CASE WHEN thread_cache > 0 THEN printf('; and %,d for the cache of each thread', thread_cache) ELSE '' END,
       printf('%,d bytes less', saving_bytes),
       'record a session: failures of v_pool_sum is 0', 1.0 * saving_bytes / now_bytes
FROM temp.pool_scope, temp.pool_line AS line JOIN temp.pool_sizing AS z USING (pool_id)
WHERE saving_bytes >= 65536 AND 4 * saving_bytes >= now_bytes AND failures = 0;
