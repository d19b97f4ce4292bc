-- SPDX-License-Identifier: MIT
-- Where memory operations come from, the most time first: one row for each site and operation.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :tid (NULL: all) :limit (-1: all)
-- Columns:
--   share           of the time of all sites, 0 to 1
--   time_ns         estimated time spent: sum of weight x duration
--   op
--   calls, bytes    unbiased estimates: sums of weights (x size) over the kept calls
--   rows            the kept calls behind the estimates
--   p50_ns, p99_ns  weighted, nearest rank
--   max_ns          the slowest kept call
--   site            the first function outside the allocator, as in v_call
--
-- Caveats: estimates from a sample: with few rows behind them, the percentiles of a site are coarse.

WITH named AS MATERIALIZED (
  SELECT stack_id, site, dense_rank() OVER (ORDER BY site) AS site_no FROM stack_site
), kept AS (
  -- Site and operation packed into one number, and equal durations into one row, as in v_site.
  SELECT coalesce(site_no, 0) * 256 + op_id AS pack, dur_ns, count(*) AS rows, sum(weight) AS calls,
         total(weight * size_bytes) AS bytes
  FROM call LEFT JOIN named ON named.stack_id = call.stack_id
  WHERE t_ns >= :from_ns AND t_ns < :to_ns AND (:tid IS NULL OR tid = :tid)
  GROUP BY pack, dur_ns
), ranked AS MATERIALIZED (
  SELECT *, sum(calls) OVER (PARTITION BY pack ORDER BY dur_ns ROWS UNBOUNDED PRECEDING) AS upto FROM kept
), whole AS MATERIALIZED (
  SELECT pack, sum(rows) AS rows, sum(calls) AS calls, CAST(total(bytes) AS INTEGER) AS bytes,
         CAST(total(calls * dur_ns) AS INTEGER) AS time_ns, max(dur_ns) AS max_ns
  FROM ranked GROUP BY pack
), quantile AS (
  SELECT whole.*,
         min(CASE WHEN upto >= (whole.calls * 50 + 99) / 100 THEN dur_ns END) AS p50_ns,
         min(CASE WHEN upto >= (whole.calls * 99 + 99) / 100 THEN dur_ns END) AS p99_ns
  FROM ranked JOIN whole USING (pack) GROUP BY pack
)
SELECT time_ns / nullif((SELECT total(time_ns) FROM whole), 0) AS share, time_ns, op.name AS op,
       calls, bytes, rows, p50_ns, p99_ns, max_ns,
       coalesce((SELECT site FROM named WHERE site_no = pack / 256), '[no stack]') AS site
FROM quantile JOIN op ON op.op_id = pack % 256
ORDER BY time_ns DESC, site, op_id
LIMIT :limit;
