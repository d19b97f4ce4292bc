-- SPDX-License-Identifier: MIT
-- p50 and p99 of gets, puts and holds: nearest rank, the middle of the bucket that it is in.
--
-- Parameters: :slots_ns :to_ns

INSERT INTO temp.pool_quantile
WITH counted AS (
  SELECT pool_id, what, bucket, sum(count) AS n
  FROM temp.pool_line CROSS JOIN pool_latency USING (pool_id)
  WHERE slot_ns >= :slots_ns AND slot_ns < :to_ns AND count > 0
  GROUP BY pool_id, what, bucket
), ranked AS (
  SELECT pool_id, what, bucket, sum(n) OVER (PARTITION BY pool_id, what ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY pool_id, what) AS total
  FROM counted
), quantile AS (
  SELECT pool_id, what, max(total) AS n,
         min(CASE WHEN upto >= (total * 50 + 99) / 100 THEN bucket END) AS p50,
         min(CASE WHEN upto >= (total * 99 + 99) / 100 THEN bucket END) AS p99
  FROM ranked GROUP BY pool_id, what
)
SELECT pool_id, what, n,
       (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p50),
       (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p99)
FROM quantile;
