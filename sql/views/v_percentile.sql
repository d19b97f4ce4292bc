-- SPDX-License-Identifier: MIT
-- Percentiles over every counted call of the recording: one row an operation.
--
--   op, calls
--   p50_ns p90_ns p99_ns p999_ns p9999_ns  duration that 50, 90, 99, 99.9, 99.99 % of the calls did not exceed:
--           nearest rank ceil(q * calls), given as the middle of its bucket (within 0.8 %), never above max_ns
--   max_ns  the slowest call, exact
--
-- Caveats: those of v_latency. With fewer than 10,000 calls p9999_ns is the slowest call's bucket, and so on.
-- Example: SELECT * FROM v_percentile

CREATE VIEW v_percentile AS
WITH counted AS (
  -- Both packed into one number: SQLite sorts by one integer twice as fast as by two columns.
  SELECT op_id * 4096 + bucket AS pack, sum(calls) AS n FROM latency GROUP BY pack
), unpacked AS (
  SELECT pack / 4096 AS op_id, pack % 4096 AS bucket, n FROM counted
), ranked AS (
  SELECT op_id, bucket,
         sum(n) OVER (PARTITION BY op_id ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY op_id) AS calls
  FROM unpacked
), quantile AS (
  SELECT op_id, calls,
         min(CASE WHEN upto >= (calls *  5000 + 9999) / 10000 THEN bucket END) AS p50,
         min(CASE WHEN upto >= (calls *  9000 + 9999) / 10000 THEN bucket END) AS p90,
         min(CASE WHEN upto >= (calls *  9900 + 9999) / 10000 THEN bucket END) AS p99,
         min(CASE WHEN upto >= (calls *  9990 + 9999) / 10000 THEN bucket END) AS p999,
         min(CASE WHEN upto >= (calls *  9999 + 9999) / 10000 THEN bucket END) AS p9999,
         max(bucket) AS top
  FROM ranked GROUP BY op_id
), exact AS (
  SELECT op_id, max(max_ns) AS max_ns FROM latency_sum GROUP BY op_id
), bound AS (
  SELECT quantile.*, coalesce(max_ns, (SELECT hi_ns FROM bucket WHERE bucket = top)) AS max_ns
  FROM quantile LEFT JOIN exact USING (op_id)
)
SELECT op.name AS op, calls,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p50))   AS p50_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p90))   AS p90_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p99))   AS p99_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p999))  AS p999_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p9999)) AS p9999_ns,
       max_ns
FROM bound JOIN op USING (op_id)
ORDER BY op_id;
