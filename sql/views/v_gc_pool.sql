-- SPDX-License-Identifier: MIT
-- The memory of a runtime before and after a collection.
--
--   gc_id              v_gc
--   pool               as the runtime names it (G1 Eden Space, new_space, ...); 'heap' is all of it
--   used_before_bytes, used_after_bytes
--   committed_bytes    that the pool had from the system after it; max_bytes: the most it may have
--                      NULL, each: not known, or without limit
--
-- Example: SELECT t_ns, used_before_bytes - used_after_bytes AS freed_bytes FROM v_gc JOIN v_gc_pool USING (gc_id)
--          WHERE pool = 'heap'

CREATE VIEW v_gc_pool AS
SELECT gc_id, pool, used_before_bytes, used_after_bytes, committed_bytes, max_bytes FROM gc_pool;
