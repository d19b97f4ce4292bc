-- SPDX-License-Identifier: MIT
-- Where memory operations come from: one row for each site and operation, from the kept calls.
--
--   site            as in v_call
--   op
--   calls, bytes    sums of weights (x size) over the kept calls: unbiased estimates of all calls of the site
--   p50_ns, p99_ns  weighted: nearest rank over the durations, each counted `weight` times
--   max_ns          the slowest kept call; exact if outliers were kept
--   stack_id        the stack of that slowest call, for v_stack; NULL: it has none
--   time_ns         sum of weight x duration: an estimate of the time spent
--   rows            the kept calls behind these figures: estimates from a few rows can be far off
--
-- Caveats: estimates from a sample: with few rows behind them, percentiles of a site are coarse. Lost rows are missing.
-- Example: SELECT site, op, calls, p99_ns FROM v_site ORDER BY time_ns DESC LIMIT 10

CREATE VIEW v_site AS
WITH named AS MATERIALIZED (
  SELECT stack_id, site, dense_rank() OVER (ORDER BY site) AS site_no FROM stack_site
), kept AS (
  -- Site and operation packed into one number, and equal durations into one row: what is sorted is a million calls,
  -- and SQLite sorts by one integer twice as fast as by two columns.
  SELECT coalesce(site_no, 0) * 256 + op_id AS pack, dur_ns, count(*) AS rows, sum(weight) AS calls,
         total(weight * size_bytes) AS bytes, min(call.stack_id) AS stack_id
  FROM call LEFT JOIN named ON named.stack_id = call.stack_id
  GROUP BY pack, dur_ns
), ranked AS MATERIALIZED (
  SELECT *, sum(calls) OVER (PARTITION BY pack ORDER BY dur_ns ROWS UNBOUNDED PRECEDING) AS upto FROM kept
), whole AS MATERIALIZED (
  -- With max() the column stack_id is of the row that has it: SQLite's documented bare columns.
  SELECT pack, sum(rows) AS rows, sum(calls) AS calls, CAST(total(bytes) AS INTEGER) AS bytes,
         CAST(total(calls * dur_ns) AS INTEGER) AS time_ns, max(dur_ns) AS max_ns, stack_id
  FROM ranked GROUP BY pack
), quantile AS (
  SELECT whole.*,
         min(CASE WHEN upto >= (whole.calls * 50 + 99) / 100 THEN dur_ns END) AS p50_ns,
         min(CASE WHEN upto >= (whole.calls * 99 + 99) / 100 THEN dur_ns END) AS p99_ns
  FROM ranked JOIN whole USING (pack) GROUP BY pack
)
SELECT coalesce((SELECT site FROM named WHERE site_no = pack / 256), '[no stack]') AS site, op.name AS op,
       calls, bytes, p50_ns, p99_ns, max_ns, stack_id, time_ns, rows
FROM quantile JOIN op ON op.op_id = pack % 256;
