-- SPDX-License-Identifier: MIT
-- Pools over the whole recording, up to its last commit while it runs.
--
--   pool_id          v_pool
--   gets, puts, failures, in_use, in_use_max   as in v_pool_use; in_use: at the end
--   in_use_max_t_ns, in_use_max_tid, in_use_max_stack_id   the get that made it the most
--   in_use_bytes_max, requested_bytes          bytes asked for: the most at a time, and by all gets; NULL: not told
--   lost             gets and puts of which only the number is known: a buffer was full
--   double_puts, foreign_puts   as in v_pool_event
--   older_puts       of objects that were taken before the recording began
--   cross_puts       by another thread than the one that took it: the object's lines move between caches
--   hidden_failures  gets that failed while less than the capacity was in use: what was free could not be found, for
--                    other threads' caches held it, say; hidden_max: the most that was free then
--   threads          that took something out
--   reuses           gets of objects that had been put back; lifo_reuses: of that which was put back last, fifo_reuses:
--                    first, of those in the pool; reuse_depth_p50: median of how many in the pool had been put back later
--   objects          different ones that were out
--   lines, pages     cache lines of 64 bytes and pages of 4096 in which they lie; lines_least, pages_least: in which
--                    in_use_max of them would fit; NULL: the size is not known
--
-- Of a pool whose functions tell only how many objects they are of (count=), and of "(others)", what needs to know the
-- objects is NULL: double_puts, cross_puts, reuses, lifo_reuses, fifo_reuses and objects.
--
-- Example: SELECT name, 100.0 * cross_puts / puts AS cross_percent FROM v_pool_sum JOIN v_pool USING (pool_id)

CREATE VIEW v_pool_sum AS
SELECT pool_id, gets, puts, failures, in_use, in_use_max, in_use_max_t_ns, in_use_max_tid, in_use_max_stack_id,
       in_use_bytes_max, requested_bytes, lost, iif(is_told, double_puts, NULL) AS double_puts, foreign_puts, older_puts,
       iif(is_told, cross_puts, NULL) AS cross_puts, hidden_failures, hidden_max, threads, iif(is_told, reuses, NULL) AS reuses,
       iif(is_told, lifo_reuses, NULL) AS lifo_reuses, iif(is_told, fifo_reuses, NULL) AS fifo_reuses, reuse_depth_p50,
       iif(is_told, objects, NULL) AS objects, lines, lines_least, pages, pages_least
FROM (SELECT *, objects > 0 OR gets = 0 AS is_told FROM pool_sum);
