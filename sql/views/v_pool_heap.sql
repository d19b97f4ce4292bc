-- SPDX-License-Identifier: MIT
-- The memory behind pools of variable size, and the allocator's heaps, as seen now and then.
--
--   pool_id             v_pool
--   t_ns                session clock
--   total_bytes         that the heap has from the system; used_bytes: in blocks, with what the allocator notes beside
--                       them; free_bytes: the rest
--   largest_free_bytes  in one piece; free_pieces: how many there are
--   unfit_bytes         free, in pieces too small for a request, expected over the sizes that were asked for lately; NULL:
--                       no call was counted that tells its size
--   requested_bytes     of used_bytes, what was asked for; NULL: not known
--
-- glibc's heaps (v_pool.source 'glibc', a pool for each arena) are walked from outside while the program goes on
-- (`record --heap`): about once a second, large ones as seldom as 1 % of a core allows. Free is what the program could
-- get: also the top of the heap, and blocks in fast bins and in threads' caches, which mallinfo2() counts as used. Blocks
-- that have mappings of their own (mmap) are in none of this. v_counter has `heap_looks`, of which `heap_looks_torn` came
-- to nothing, for the heap changed too fast: no row tells of those.
--
-- Example: SELECT name, max(1.0 * unfit_bytes / free_bytes) FROM v_pool_heap JOIN v_pool USING (pool_id) GROUP BY pool_id

CREATE VIEW v_pool_heap AS
SELECT pool_id, t_ns, total_bytes, used_bytes, free_bytes, largest_free_bytes, unfit_bytes, free_pieces, requested_bytes
FROM pool_heap;
