-- SPDX-License-Identifier: MIT
-- How evenly every counted call was served: one row for each operation and size class.
--
--   op
--   size_lo_bytes, size_hi_bytes   size class, both ends included; free and delete are in the first
--   calls          exact
--   p50_ns p90_ns p99_ns p999_ns p9999_ns p99999_ns   as in v_percentile
--   max_ns         exact
--   mean_ns        exact
--   stddev_ns      standard deviation, from the middles of the buckets (within 0.8 %)
--   cv             coefficient of variation, stddev / mean: 0 is a clock; above 1 the mean says little
--   p999_over_p50  how much worse one call in a thousand is than a usual one; NULL: p50_ns is 0
--
-- Caveats: those of v_latency. With fewer than 100,000 calls p99999_ns is the slowest call's bucket, and so on: what a
-- percentile stands on, and how far off it may be, is in `mpsample report jitter`.
-- Example: SELECT op, size_hi_bytes, calls, p999_ns, p999_over_p50 FROM v_jitter ORDER BY p999_over_p50 DESC LIMIT 5

CREATE VIEW v_jitter AS
WITH RECURSIVE counted AS (
  -- All packed into one number: SQLite sorts by one integer twice as fast as by columns.
  SELECT (op_id * 256 + size_class) * 4096 + bucket AS pack, sum(calls) AS n FROM latency GROUP BY pack
), exact AS (
  SELECT op_id * 256 + size_class AS pack, max(max_ns) AS max_ns, total(sum_ns) / sum(calls) AS mean_ns
  FROM latency_sum GROUP BY 1
), ranked AS (
  SELECT counted.pack / 4096 AS pack, n, min(coalesce(max_ns, hi_ns), (lo_ns + hi_ns) / 2) AS dur_ns,
         coalesce(max_ns, max(hi_ns) OVER kind) AS max_ns,
         coalesce(mean_ns, sum(n * 1.0 * ((lo_ns + hi_ns) / 2)) OVER kind / sum(n) OVER kind) AS mean_ns,
         sum(n) OVER (kind ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER kind AS calls
  FROM counted JOIN bucket ON bucket = counted.pack % 4096 LEFT JOIN exact ON exact.pack = counted.pack / 4096
  WINDOW kind AS (PARTITION BY counted.pack / 4096)
), spread AS MATERIALIZED (
  SELECT pack, calls, mean_ns, max_ns,
         min(CASE WHEN upto >= (calls * 50000 + 99999) / 100000 THEN dur_ns END) AS p50_ns,
         min(CASE WHEN upto >= (calls * 90000 + 99999) / 100000 THEN dur_ns END) AS p90_ns,
         min(CASE WHEN upto >= (calls * 99000 + 99999) / 100000 THEN dur_ns END) AS p99_ns,
         min(CASE WHEN upto >= (calls * 99900 + 99999) / 100000 THEN dur_ns END) AS p999_ns,
         min(CASE WHEN upto >= (calls * 99990 + 99999) / 100000 THEN dur_ns END) AS p9999_ns,
         min(CASE WHEN upto >= (calls * 99999 + 99999) / 100000 THEN dur_ns END) AS p99999_ns,
         total(n * (dur_ns - mean_ns) * (dur_ns - mean_ns)) / calls AS variance
  FROM ranked GROUP BY pack
), root(pack, variance, x, step) AS (
  -- The square root by Newton's method, from above; SQLite may have been built without sqrt().
  SELECT pack, variance, CASE WHEN variance > 0 THEN (variance + 1) / 2 ELSE 0.0 END, 0 FROM spread
  UNION ALL
  SELECT pack, variance, (x + variance / x) / 2, step + 1 FROM root
  WHERE step < 200 AND x * x - variance > 1e-14 * variance
), deviation AS (
  -- With max() the column x is of the row that has it: SQLite's documented bare columns.
  SELECT pack, x AS stddev_ns, max(step) FROM root GROUP BY pack
)
SELECT op.name AS op, lo_bytes AS size_lo_bytes, hi_bytes AS size_hi_bytes,
       calls, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, p99999_ns, max_ns, mean_ns, stddev_ns,
       stddev_ns / nullif(mean_ns, 0)    AS cv,
       p999_ns * 1.0 / nullif(p50_ns, 0) AS p999_over_p50
FROM spread
JOIN deviation USING (pack)
JOIN op ON op_id = spread.pack / 256
JOIN size_class ON size_class = spread.pack % 256
ORDER BY spread.pack;
