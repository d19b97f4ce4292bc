-- SPDX-License-Identifier: MIT
-- The same by size: one row for each operation and size class that had calls.
--
-- Parameters: :from_ns :to_ns (session clock, starts of seconds, the end exclusive)
--             :limit (-1: all)
-- Columns:
--   op
--   size_lo_bytes, size_hi_bytes   size class, both ends included; hi NULL: no upper end; both NULL: the operation
--                                  has no size (free, delete)
--   calls, p50_ns, p99_ns, p999_ns, max_ns, p999_over_p50
--
-- Caveats: those of v_latency.

WITH counted AS (
  SELECT (op_id * 256 + size_class) * 4096 + bucket AS pack, sum(calls) AS n
  FROM latency
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY pack
), exact AS (
  SELECT op_id * 256 + size_class AS pack, max(max_ns) AS max_ns
  FROM latency_sum
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY 1
), ranked AS (
  SELECT exact.pack, max_ns, min(max_ns, (lo_ns + hi_ns) / 2) AS dur_ns,
         sum(n) OVER (PARTITION BY exact.pack ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY exact.pack) AS calls
  FROM counted JOIN exact ON exact.pack = counted.pack / 4096 JOIN bucket ON bucket = counted.pack % 4096
), spread AS (
  SELECT pack, calls, max_ns,
         min(CASE WHEN upto >= (calls *  500 + 999) / 1000 THEN dur_ns END) AS p50_ns,
         min(CASE WHEN upto >= (calls *  990 + 999) / 1000 THEN dur_ns END) AS p99_ns,
         min(CASE WHEN upto >= (calls *  999 + 999) / 1000 THEN dur_ns END) AS p999_ns
  FROM ranked GROUP BY pack
)
SELECT op.name AS op,
       CASE WHEN op.name NOT IN ('free', 'delete') THEN lo_bytes END AS size_lo_bytes,
       CASE WHEN op.name NOT IN ('free', 'delete') THEN nullif(hi_bytes, 0x7fffffffffffffff) END AS size_hi_bytes,
       calls, p50_ns, p99_ns, p999_ns, max_ns,
       round(p999_ns * 1.0 / nullif(p50_ns, 0), 1) AS p999_over_p50
FROM spread
JOIN op ON op_id = pack / 256
JOIN size_class ON size_class = pack % 256
ORDER BY op_id, size_class
LIMIT :limit;
