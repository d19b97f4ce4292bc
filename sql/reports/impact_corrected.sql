-- SPDX-License-Identifier: MIT
-- Percentiles of spans that were meant to begin at a given rate (--interval): raw, and corrected for coordinated
-- omission: for a span longer than the interval, the spans that could not begin meanwhile are added, which would have
-- taken dur - interval, dur - 2 x interval, ..., down to an interval (HdrHistogram's expected interval).
--
-- Parameters: :limit (-1: all)
-- Columns:
--   name
--   percentiles  raw, corrected
--   interval_ns  as given
--   spans        corrected: with those that were added
--   p50_ns p90_ns p99_ns p999_ns max_ns
--
-- Caveats: right where work that is late waits for the work before it, on the same thread. No rows: no interval was
-- given.

SELECT name, CASE corrected WHEN 1 THEN 'corrected' ELSE 'raw' END AS percentiles, interval_ns, c.spans,
       c.p50_ns, c.p90_ns, c.p99_ns, c.p999_ns, c.max_ns
FROM temp.impact_corrected c JOIN temp.impact_span s USING (n)
ORDER BY n, corrected
LIMIT :limit;
