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
--   worst_t_ns     start of the second with the highest p99, since the start of the recording
--   worst_p99_ns   the p99 of that second
--
-- Caveats: seconds with fewer than 100 calls, whose p99 is just their maximum, are the worst only if there are no others.
-- Uses mp_sqrt(), which mpsample registers.

WITH counted AS (
  SELECT op_id * 4096 + bucket AS pack, sum(calls) AS n
  FROM latency
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY pack
), exact AS (
  SELECT op_id, max(max_ns) AS max_ns, total(sum_ns) / sum(calls) AS mean_ns
  FROM latency_sum
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY op_id
), ranked AS (
  SELECT exact.op_id, mean_ns, max_ns, n, min(max_ns, (lo_ns + hi_ns) / 2) AS dur_ns,
         sum(n) OVER (PARTITION BY exact.op_id ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY exact.op_id) AS calls
  FROM counted JOIN exact ON exact.op_id = pack / 4096 JOIN bucket ON bucket = pack % 4096
), spread AS (
  SELECT op_id, calls, mean_ns, max_ns,
         min(CASE WHEN upto >= (calls *  500 + 999) / 1000 THEN dur_ns END) AS p50_ns,
         min(CASE WHEN upto >= (calls *  990 + 999) / 1000 THEN dur_ns END) AS p99_ns,
         min(CASE WHEN upto >= (calls *  999 + 999) / 1000 THEN dur_ns END) AS p999_ns,
         mp_sqrt(total(n * (dur_ns - mean_ns) * (dur_ns - mean_ns)) / calls) AS stddev_ns
  FROM ranked GROUP BY op_id
), worst AS (
  SELECT op, slot_ns, p99_ns,
         row_number() OVER (PARTITION BY op ORDER BY calls >= 100 DESC, p99_ns DESC, slot_ns) AS place
  FROM v_second
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
)
SELECT op.name AS op, calls, spread.p50_ns, spread.p99_ns, p999_ns, max_ns,
       round(mean_ns, 1)                          AS mean_ns,
       round(stddev_ns, 1)                        AS stddev_ns,
       round(stddev_ns / nullif(mean_ns, 0), 3)   AS cv,
       round(p999_ns * 1.0 / nullif(spread.p50_ns, 0), 1) AS p999_over_p50,
       worst.slot_ns - :start_ns                  AS worst_t_ns,
       worst.p99_ns                               AS worst_p99_ns
FROM spread
JOIN op USING (op_id)
LEFT JOIN worst ON worst.op = op.name AND place = 1
ORDER BY op_id
LIMIT :limit;
