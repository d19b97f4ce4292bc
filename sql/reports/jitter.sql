-- SPDX-License-Identifier: MIT
-- How evenly memory operations are served: one row an operation, from the histograms of every call.
--
-- Parameters: :from_ns :to_ns (session clock, starts of seconds, the end exclusive) :start_ns (of the recording)
--             :limit (-1: all)
-- Columns:
--   op, calls, p50_ns, p99_ns, p999_ns, max_ns   as in the summary
--   mean_ns        exact
--   stddev_ns      from the middles of the buckets (within 0.8 %)
--   cv             coefficient of variation, stddev / mean: 0 is a clock; above 1 the mean says little
--   p999_over_p50  how much worse one call in a thousand is than a usual one
--   masd_ns        mean absolute difference between a call's duration and that of the next one of its thread: what a
--                  thread meets from call to call; unlike stddev not ruled by the few slowest. From the kept rows, and
--                  exact only where everything was kept (analysis/jitter/succession.h); NULL: too few rows
--   gap_cv         coefficient of variation of the times between outliers: 1 is chance (Poisson), above 1 they come in
--                  bursts, below 1 at a beat. NULL: too few
--   worst_t_ns     start of the second with the highest p99, since the start of the recording
--   worst_p99_ns   the p99 of that second
--   worst_window_t_ns, worst_window_p99_ns   likewise of windows of about 100 ms; NULL: there are none
--
-- Caveats: seconds and windows with fewer than 100 calls, whose p99 is just their maximum, are the worst only if there
-- are no others. The keep-over limit adapts itself in the first seconds, and gap_cv with it.
-- Reads temporary tables of analysis/jitter/jitter.h.

WITH second AS (
  SELECT op_id, key - :start_ns AS t_ns, p99_ns,
         row_number() OVER (PARTITION BY op_id ORDER BY calls >= 100 DESC, p99_ns DESC, key) AS place
  FROM temp.jitter_spread
  WHERE kind = 'slot'
), win AS (
  SELECT op_id, t_ns - :start_ns AS t_ns, p99_ns,
         row_number() OVER (PARTITION BY op_id ORDER BY calls >= 100 DESC, p99_ns DESC, t_ns) AS place
  FROM latency_window
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
)
SELECT op.name AS op, calls, spread.p50_ns, spread.p99_ns, p999_ns, max_ns,
       round(mean_ns, 1)                          AS mean_ns,
       round(stddev_ns, 1)                        AS stddev_ns,
       round(stddev_ns / nullif(mean_ns, 0), 3)   AS cv,
       round(p999_ns * 1.0 / nullif(spread.p50_ns, 0), 1) AS p999_over_p50,
       round(masd_ns, 1)                          AS masd_ns,
       round(gap_cv, 2)                           AS gap_cv,
       second.t_ns                                AS worst_t_ns,
       second.p99_ns                              AS worst_p99_ns,
       win.t_ns                                   AS worst_window_t_ns,
       win.p99_ns                                 AS worst_window_p99_ns
FROM temp.jitter_spread AS spread
JOIN op USING (op_id)
LEFT JOIN temp.jitter_succession USING (op_id)
LEFT JOIN second ON second.op_id = spread.op_id AND second.place = 1
LEFT JOIN win ON win.op_id = spread.op_id AND win.place = 1
WHERE kind = 'op'
ORDER BY spread.op_id
LIMIT :limit;
