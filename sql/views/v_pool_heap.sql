-- SPDX-License-Identifier: MIT
-- The memory behind pools of variable size, and the allocator's heaps, as seen now and then.
--
--   pool_id             v_pool
--   t_ns                session clock
--   total_bytes         that the heap has from the system; used_bytes: in blocks; free_bytes: the rest
--   largest_free_bytes  in one piece; free_pieces: how many there are
--   unfit_bytes         free, in pieces too small for a request, expected over the sizes that were asked for lately
--   requested_bytes     of used_bytes, what was asked for; NULL: not known
--
-- Example: SELECT name, max(1.0 * unfit_bytes / free_bytes) FROM v_pool_heap JOIN v_pool USING (pool_id) GROUP BY pool_id

CREATE VIEW v_pool_heap AS
SELECT pool_id, t_ns, total_bytes, used_bytes, free_bytes, largest_free_bytes, unfit_bytes, free_pieces, requested_bytes
FROM pool_heap;
