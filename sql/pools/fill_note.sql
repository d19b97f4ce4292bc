-- SPDX-License-Identifier: MIT
-- What is not known of the pools that are told of, and why: a sentence each. Names of three of them, then how many more.

INSERT INTO temp.pool_note
WITH line AS (
  SELECT l.*, older, coalesce(is_heap, 0) AS is_heap, coalesce(quality, 0) AS quality, f.pool_id IS NOT NULL AS has_forecast,
         z.pool_id IS NOT NULL AS has_size, s.pool_id IS NOT NULL AS has_sum, coalesce(s.lost, 0) AS lost,
         EXISTS (SELECT 1 FROM temp.pool_quantile AS q WHERE q.pool_id = l.pool_id AND what IN ('get', 'put')) AS has_latency,
         coalesce(destroyed_ns < now_ns, 0) AS is_gone
  FROM temp.pool_scope, temp.pool_line AS l LEFT JOIN temp.pool_strip AS t USING (pool_id)
       LEFT JOIN temp.pool_forecast AS f USING (pool_id) LEFT JOIN temp.pool_sizing AS z USING (pool_id)
       LEFT JOIN pool_sum AS s USING (pool_id)
), pools AS (
  SELECT * FROM line WHERE NOT is_heap
), named AS (
  SELECT 1 AS place, pool_id, name FROM pools WHERE gets + puts + failures = 0
  UNION ALL SELECT 2, pool_id, name FROM pools WHERE capacity IS NULL
  UNION ALL SELECT 3, pool_id, name FROM pools WHERE NOT has_size AND quality = 0 AND gets + puts + failures > 0
  UNION ALL SELECT 4, pool_id, name FROM pools WHERE quality = 1
  UNION ALL SELECT 5, pool_id, name FROM pools WHERE older > 0
  UNION ALL SELECT 6, pool_id, name FROM pools WHERE NOT has_latency AND gets > 0
  UNION ALL SELECT 7, pool_id, name FROM pools WHERE is_gone
  UNION ALL SELECT 8, pool_id, name FROM pools WHERE NOT has_sum
  UNION ALL SELECT 9, pool_id, name FROM pools WHERE lost > 0
), grouped AS (
  SELECT place, count(*) AS pools, group_concat(CASE WHEN nth <= 3 THEN name END, ', ') AS names
  FROM (SELECT *, row_number() OVER (PARTITION BY place ORDER BY pool_id) AS nth FROM named ORDER BY place, nth)
  GROUP BY place
), who AS (
  SELECT place, names || CASE WHEN pools > 3 THEN printf(' and %,d more', pools - 3) ELSE '' END || ': ' AS who FROM grouped
)
SELECT 0, CASE WHEN pools > 0 THEN 'no pools but heaps of the allocator: mark' ELSE 'no pools: mark' END || ' them in the program (MPSAMPLE_POOL_CREATE, _GET, _PUT), or name their functions with record --pools'
FROM temp.pool_scope WHERE NOT EXISTS (SELECT 1 FROM pools)
UNION ALL
SELECT place, who || CASE place
  WHEN 1 THEN (SELECT CASE WHEN is_cut THEN 'nothing was taken or put back in this part of the recording'
                           ELSE 'nothing was taken or put back' END FROM temp.pool_scope)
  WHEN 2 THEN 'the capacity is not known (created before the recording, or without a limit): no risk, and the strip is of '
              || 'the most that was in use'
  WHEN 3 THEN (SELECT printf('too short for a forecast and a size (8 seconds in which it was watched are the least; here %.1f s)',
                             (now_ns - from_ns) / 1e9) FROM temp.pool_scope)
  WHEN 4 THEN 'the forecast is rough: fewer than 30 independent pieces of time were seen, or it looks further than what was '
              || 'recorded'
  WHEN 5 THEN 'in use before the recording: its count begins at 0 and fell below; strip, forecast and size have as many more'
  WHEN 6 THEN 'how long gets and puts took is not known: markers do not tell, functions named with record --pools do'
  WHEN 7 THEN 'destroyed before the end: no forecast, and a size for as long as it was there'
  WHEN 8 THEN 'recorded by a version that knew no sites, holds, reuse, threads and wrong puts'
  ELSE printf('of %,d gets and puts only the number is known, for a buffer was full: in use, holds and wrong puts may be off',
              (SELECT CAST(total(lost) AS INTEGER) FROM line)) END
FROM who
UNION ALL
SELECT 10, printf('p_exhaust is of the next %.1f s, as long as what is looked at; another time: --horizon SECONDS', horizon_ns / 1e9)
FROM temp.pool_scope WHERE NOT is_horizon_given AND EXISTS (SELECT 1 FROM temp.pool_forecast WHERE p_exhaust IS NOT NULL)
UNION ALL
SELECT 11, 'gets, puts, failures, in use and percentiles are of this part; forecasts are from its end on, with what was known '
           || 'then; sites, reuse, threads, wrong puts and findings are of the whole recording'
FROM temp.pool_scope WHERE is_cut AND pools > 0
UNION ALL
SELECT 12, printf('%,d further pools, less full than these, are not told of: --limit 0', pools - (SELECT count(*) FROM temp.pool_line))
FROM temp.pool_scope WHERE pools > (SELECT count(*) FROM temp.pool_line)
UNION ALL
SELECT 13, printf('%,d events of pools gave way to record --max-size: times of the first and last are of those that are left', rows)
FROM thinned WHERE name = 'pool_event' AND rows > 0
UNION ALL
SELECT 14, printf('pools that no file names were followed for the first %.1f s only: %s was called too often for the budget (record '
                  || '--probe all follows them at any cost)', (t_ns - start_ns) / 1e9, detail)
FROM mark, session_time WHERE mark.name = 'pool profiles withdrawn';
