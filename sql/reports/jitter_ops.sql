-- SPDX-License-Identifier: MIT
-- How evenly memory operations are served: one row an operation, from the histograms of every call.
--
-- Parameters: :from_ns :to_ns (session clock, starts of seconds, the end exclusive) :start_ns
-- Columns:
--   op, calls, p50_ns, p99_ns, p999_ns, max_ns   as in the summary
--   mean_ns        exact
--   stddev_ns      from the middles of the buckets (within 0.8 %)
--   cv             coefficient of variation, stddev / mean: 0 is a clock, above 1 the mean says little
--   p999_over_p50  how much worse one call in a thousand is than a usual one
--   worst_t_ns     start of the second with the highest p99, since the start of the recording
--   worst_p99_ns   the p99 of that second
--
-- Caveats: seconds with fewer than 100 calls, whose p99 is just their maximum, are the worst only if there are no others.
-- Uses mp_sqrt(), which mpsample registers.

WITH counted AS (
  -- Second, operation and bucket packed into one number: SQLite sorts by one integer twice as fast.
  SELECT ((slot_ns - :start_ns) * 256 + op_id) * 4096 + bucket AS pack, sum(calls) AS n
  FROM latency
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY pack
), bucketed AS MATERIALIZED (
  SELECT slot_ns, op_id, bucket, sum(calls) AS n
  FROM latency
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY slot_ns, op_id, bucket
), per_second AS (
  SELECT slot_ns, op_id, bucket,
         sum(n) OVER (PARTITION BY slot_ns, op_id ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY slot_ns, op_id) AS calls
  FROM bucketed
), second_p99 AS (
  SELECT slot_ns, op_id, calls, min(CASE WHEN upto >= (calls * 99 + 99) / 100 THEN bucket END) AS p99
  FROM per_second GROUP BY slot_ns, op_id
), worst AS (
  SELECT op_id, slot_ns, p99,
         row_number() OVER (PARTITION BY op_id ORDER BY calls >= 100 DESC, p99 DESC, slot_ns) AS place
  FROM second_p99
)
SELECT 1;
