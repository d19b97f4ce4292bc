-- SPDX-License-Identifier: MIT
-- How long memory operations took: one row an operation, from the histograms of every call.
--
-- Parameters: :from_ns :to_ns (session clock, starts of seconds, the end exclusive)
--             :covered_ns (how much of that was recorded)
--             :limit (-1: all)
-- Columns:
--   op, calls
--   calls_per_s   over the recorded time; where not all of it was watched, as v_rate estimates it, which has the interval, too
--   bytes         asked for
--   p50_ns ...    as in v_percentile: nearest rank, middle of the bucket (within 0.8 %), never above max_ns
--   max_ns        exact
--
-- Caveats: calls of all threads together: a histogram knows no thread.
-- Reads temporary tables of analysis/latencies.h.

WITH ranked AS (
  SELECT op_id, bucket,
         sum(calls) OVER (PARTITION BY op_id ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(calls) OVER (PARTITION BY op_id) AS calls
  FROM temp.latency_sums
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
  SELECT op_id, max(max_ns) AS max_ns, CAST(total(bytes) AS INTEGER) AS bytes
  FROM latency_sum
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY op_id
), bound AS (
  SELECT quantile.*, coalesce(bytes, 0) AS bytes,
         coalesce(max_ns, (SELECT hi_ns FROM bucket WHERE bucket = top)) AS max_ns
  FROM quantile LEFT JOIN exact USING (op_id)
), rate AS (
  -- As v_rate has it; none of sessions before version 5.
  SELECT op_id, (1.0 * sum(CASE WHEN watched_ns >= dur_ns THEN calls ELSE 0 END)
                 + coalesce(avg(CASE WHEN watched_ns BETWEEN 1 AND dur_ns - 1 THEN 1.0 * calls / watched_ns END), 0)
                 * sum(CASE WHEN watched_ns < dur_ns THEN dur_ns ELSE 0 END)) / sum(dur_ns) * 1e9 AS per_s
  FROM slot_calls WHERE slot_ns >= :from_ns AND slot_ns < :to_ns GROUP BY op_id
)
SELECT op.name AS op, calls,
       CASE WHEN EXISTS (SELECT 1 FROM overhead WHERE mode <> 'all') THEN round(per_s, 1)
            ELSE round(calls / (nullif(:covered_ns, 0) / 1e9), 1) END AS calls_per_s,
       bytes,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p50))   AS p50_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p90))   AS p90_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p99))   AS p99_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p999))  AS p999_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p9999)) AS p9999_ns,
       max_ns
FROM bound JOIN op USING (op_id) LEFT JOIN rate USING (op_id)
ORDER BY op_id
LIMIT :limit;
