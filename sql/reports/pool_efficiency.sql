-- SPDX-License-Identifier: MIT
-- What gets and puts of single pools take, against the allocator for objects of this size.
--
-- Parameters: :slots_ns :from_ns :to_ns
-- Columns:
--   name
--   what             get, put: of the pool; malloc, free and the others: of the allocator, all calls of the pool's size class;
--                    "malloc at its sites": kept calls of the sites that take from the pool, of any size
--   calls
--   p50_ns, p99_ns   nearest rank; NULL: not known
--
-- Caveats: free is of all sizes: it is not told one. Kept calls are counted by their weight.
-- Reads temporary tables of sql/pools/tables.sql.

WITH near AS (
  SELECT place, line.pool_id, name, op_id, bucket, sum(calls) AS n
  FROM temp.pool_line AS line
  JOIN size_class AS c ON object_bytes BETWEEN c.lo_bytes AND c.hi_bytes
  JOIN latency ON slot_ns >= :slots_ns AND slot_ns < :to_ns
    AND (latency.size_class = c.size_class OR op_id IN (SELECT op_id FROM op WHERE name IN ('free', 'delete')))
  WHERE op_id < 32
  GROUP BY 1, 2, 3, 4, 5
), ranked AS (
  SELECT *, sum(n) OVER (PARTITION BY pool_id, op_id ORDER BY bucket ROWS UNBOUNDED PRECEDING) AS upto,
         sum(n) OVER (PARTITION BY pool_id, op_id) AS total
  FROM near
), quantile AS (
  SELECT place, name, op_id, max(total) AS n, min(CASE WHEN upto >= (total * 50 + 99) / 100 THEN bucket END) AS p50,
         min(CASE WHEN upto >= (total * 99 + 99) / 100 THEN bucket END) AS p99
  FROM ranked GROUP BY place, name, op_id
), here AS (
  SELECT place, name, dur_ns, sum(weight) AS n
  FROM (SELECT DISTINCT place, name, site FROM temp.pool_line JOIN v_pool_site USING (pool_id) WHERE site IS NOT NULL)
  JOIN stack_site USING (site) JOIN call USING (stack_id)
  WHERE t_ns >= :from_ns AND t_ns < :to_ns AND op_id = (SELECT op_id FROM op WHERE op.name = 'malloc')
  GROUP BY 1, 2, 3
), here_ranked AS (
  SELECT *, sum(n) OVER (PARTITION BY place ORDER BY dur_ns ROWS UNBOUNDED PRECEDING) AS upto, sum(n) OVER (PARTITION BY place) AS total
  FROM here
)
SELECT name, what, calls, p50_ns, p99_ns FROM (
  SELECT place, 0 AS nth, name, kind.what AS what, n AS calls, p50_ns, p99_ns
  FROM temp.pool_line CROSS JOIN (SELECT 'get' AS what UNION ALL SELECT 'put') AS kind
       LEFT JOIN temp.pool_quantile AS q ON q.pool_id = pool_line.pool_id AND q.what = kind.what
  WHERE gets + puts > 0
  UNION ALL
  SELECT place, 1 + op_id, quantile.name, op.name, n, (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p50),
         (SELECT (lo_ns + hi_ns) / 2 FROM bucket WHERE bucket = p99)
  FROM quantile JOIN op USING (op_id)
  UNION ALL
  SELECT place, 100, name, 'malloc at its sites', max(total), min(CASE WHEN upto >= (total * 50 + 99) / 100 THEN dur_ns END),
         min(CASE WHEN upto >= (total * 99 + 99) / 100 THEN dur_ns END)
  FROM here_ranked GROUP BY place, name
)
ORDER BY place, nth, what;
