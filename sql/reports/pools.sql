-- SPDX-License-Identifier: MIT
-- Pools, one row each: those that failed first, then those that are the most likely to run dry, then the fullest.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   name, capacity, object_bytes  as in v_pool; capacity NULL: not known, or none
--   in_use_max, in_use_max_t_ns   the most that were in use, as counted, and when, since the start of the recording
--   failures, gets, puts          as in v_pool_use
--   fragmentation                 0 to 1. Of objects of one size, 1 - pages_least / pages of v_pool_sum: the part of the
--                                 pages that would not be needed if they lay side by side; of a heap, unfit_bytes /
--                                 free_bytes of v_pool_heap, the last one: the part of the free memory that cannot serve
--                                 what is asked for. NULL: not known
--   p_exhaust                     the probability that it runs dry within the horizon: analysis/forecast/forecast.h. NULL: the
--                                 capacity is not known, too little was seen, or it was destroyed
--   recommended_capacity          exceeded in a session like this one with the probability of --risk: analysis/forecast/sizing.h.
--                                 NULL: too little was seen
--   hold_p50_ns ... put_p99_ns    nearest rank of v_pool_latency; NULL: not told
--   pool_id, source               as in v_pool
--   in_use                        at the end, as counted
--   older                         so many more were out, at least: they were taken before the recording began
--   max_share                     in_use_max / capacity
--   cross_share, lifo_share       cross_puts / puts, lifo_reuses / reuses of v_pool_sum
--   double_puts, foreign_puts, hidden_failures   as in v_pool_sum
--   risk_now                      the probability that a session like this one runs dry, at the capacity that it has
--   recommended_upper             in which one may be 95 % confident: never less than recommended_capacity
--   saving_bytes                  by recommended_capacity, where the pool is larger than recommended_upper
--   step_ns, strip                in use over time, a character a step: '0' to '9', so many tenths of the capacity at most (of
--                                 the most in use, where that is not known); 'F' full, '!' gets failed, '.' nothing known of
--                                 it yet, or destroyed. Of a heap: of the most bytes in use
--
-- Reads temporary tables of sql/pools/tables.sql.

SELECT line.name, line.capacity, object_bytes, line.in_use_max, line.in_use_max_t_ns - :start_ns AS in_use_max_t_ns,
       line.failures, line.gets, line.puts,
       coalesce(max(1 - 1.0 * s.pages_least / nullif(s.pages, 0), 0),
                (SELECT 1.0 * unfit_bytes / free_bytes FROM pool_heap, temp.pool_scope
                 WHERE pool_heap.pool_id = line.pool_id AND t_ns <= now_ns AND free_bytes > 0
                 ORDER BY t_ns DESC LIMIT 1))                       AS fragmentation,
       p_exhaust, z.capacity AS recommended_capacity,
       hold.p50_ns AS hold_p50_ns, hold.p99_ns AS hold_p99_ns, took.p50_ns AS get_p50_ns, took.p99_ns AS get_p99_ns,
       gave.p50_ns AS put_p50_ns, gave.p99_ns AS put_p99_ns,
       line.pool_id, source, CASE WHEN NOT is_heap THEN strip.in_use END AS in_use, nullif(older, 0) AS older, 1.0 * line.in_use_max / line.capacity AS max_share,
       1.0 * cross_puts / nullif(s.puts, 0) AS cross_share, 1.0 * lifo_reuses / nullif(reuses, 0) AS lifo_share,
       double_puts, foreign_puts, hidden_failures, risk_now, capacity_upper AS recommended_upper, saving_bytes, step_ns, strip
FROM temp.pool_line AS line
LEFT JOIN temp.pool_strip AS strip USING (pool_id)
LEFT JOIN temp.pool_forecast USING (pool_id)
LEFT JOIN temp.pool_sizing AS z USING (pool_id)
LEFT JOIN v_pool_sum AS s USING (pool_id)
LEFT JOIN temp.pool_quantile AS hold ON hold.pool_id = line.pool_id AND hold.what = 'hold'
LEFT JOIN temp.pool_quantile AS took ON took.pool_id = line.pool_id AND took.what = 'get'
LEFT JOIN temp.pool_quantile AS gave ON gave.pool_id = line.pool_id AND gave.what = 'put'
ORDER BY line.failures > 0 DESC, p_exhaust DESC NULLS LAST, max_share DESC NULLS LAST, place;
