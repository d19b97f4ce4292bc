-- SPDX-License-Identifier: MIT
-- Percentiles second by second: one row for each second and operation that had calls.
--
--   slot_ns         session clock: start of the second
--   op, calls
--   p50_ns, p99_ns  as in v_percentile, over the calls of that second
--   max_ns          exact
--
-- Caveats: those of v_latency. Where `record --max-size` has rolled seconds up, a row is of a longer slot (v_slot). With fewer than 100 calls p99_ns is the slowest call's bucket.
-- Example: SELECT slot_ns, p99_ns FROM v_second WHERE op = 'malloc' ORDER BY p99_ns DESC LIMIT 5

CREATE VIEW v_second AS
WITH counted AS (
  -- Second, operation and bucket packed into one number: SQLite sorts by one integer twice as fast as by columns.
  SELECT (slot_ns / 1000000000 * 256 + op_id) * 4096 + bucket AS pack, min(slot_ns) AS slot_ns, sum(calls) AS n
  FROM latency GROUP BY pack
), ranked AS (
  SELECT pack / 4096 AS pack, pack % 4096 AS bucket, slot_ns,
         sum(n) OVER (PARTITION BY pack / 4096 ORDER BY pack ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY pack / 4096) AS calls
  FROM counted
), quantile AS (
  SELECT min(slot_ns) AS slot_ns, pack % 256 AS op_id, calls,
         min(CASE WHEN upto >= (calls * 50 + 99) / 100 THEN bucket END) AS p50,
         min(CASE WHEN upto >= (calls * 99 + 99) / 100 THEN bucket END) AS p99,
         max(bucket) AS top
  FROM ranked GROUP BY pack
), bound AS (
  SELECT *, coalesce((SELECT max(max_ns) FROM latency_sum
                      WHERE latency_sum.slot_ns = quantile.slot_ns AND latency_sum.op_id = quantile.op_id),
                     (SELECT hi_ns FROM bucket WHERE bucket = top)) AS max_ns
  FROM quantile
)
SELECT slot_ns, op.name AS op, calls,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p50)) AS p50_ns,
       min(max_ns, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p99)) AS p99_ns,
       max_ns
FROM bound JOIN op USING (op_id);
