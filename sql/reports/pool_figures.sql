-- SPDX-License-Identifier: MIT
-- How single pools are used: what is wrong, and what costs.
--
-- Columns:
--   name
--   figure   what is counted
--   n, share how many; of all gets, puts, reuses or pages
--   means    what it says
--
-- Caveats: of the whole recording.
-- Reads temporary tables of sql/pools/tables.sql.

WITH one AS (
  SELECT line.name, line.place AS pool_place, s.* FROM temp.pool_line AS line JOIN v_pool_sum AS s USING (pool_id)
)
SELECT name, figure, n, share, means FROM (
  SELECT pool_place, 1 AS nth, name, 'failures' AS figure, failures AS n, 1.0 * failures / nullif(gets + failures, 0) AS share, 'gets that found no object' AS means FROM one
  UNION ALL SELECT pool_place, 2, name, 'hidden_failures', hidden_failures, 1.0 * hidden_failures / nullif(failures, 0), 'of these, while objects were free' FROM one
  UNION ALL SELECT pool_place, 3, name, 'double_puts', double_puts, 1.0 * double_puts / nullif(puts, 0), 'of an object that was in the pool' FROM one
  UNION ALL SELECT pool_place, 4, name, 'foreign_puts', foreign_puts, 1.0 * foreign_puts / nullif(puts, 0), 'of an object that it never gave out' FROM one
  UNION ALL SELECT pool_place, 5, name, 'double_gets', (SELECT events FROM temp.pool_happened AS h WHERE h.pool_id = one.pool_id AND kind = 'double_get'), NULL, 'of an object that was out' FROM one
  UNION ALL SELECT pool_place, 6, name, 'older_puts', older_puts, 1.0 * older_puts / nullif(puts, 0), 'of objects taken before the recording, or by a get that was lost' FROM one
  UNION ALL SELECT pool_place, 7, name, 'in_use', in_use, 1.0 * in_use / nullif(gets, 0), 'out at the end' FROM one
  UNION ALL SELECT pool_place, 8, name, 'cross_puts', cross_puts, 1.0 * cross_puts / nullif(puts, 0), 'by another thread than the get: the object''s lines move' FROM one
  UNION ALL SELECT pool_place, 9, name, 'lifo_reuses', lifo_reuses, 1.0 * lifo_reuses / nullif(reuses, 0), 'gets of what was put back last: it is warm' FROM one
  UNION ALL SELECT pool_place, 10, name, 'fifo_reuses', fifo_reuses, 1.0 * fifo_reuses / nullif(reuses, 0), 'gets of what was put back first: it is cold' FROM one
  UNION ALL SELECT pool_place, 11, name, 'reuse_depth_p50', reuse_depth_p50, NULL, 'objects put back later than the one that a get takes, median' FROM one
  UNION ALL SELECT pool_place, 12, name, 'threads', threads, NULL, 'that take objects' FROM one
  UNION ALL SELECT pool_place, 13, name, 'objects', objects, NULL, 'different ones, by address' FROM one
  UNION ALL SELECT pool_place, 14, name, 'lines_too_many', lines - lines_least, 1.0 * (lines - lines_least) / nullif(lines, 0), 'cache lines beyond what in_use_max objects need' FROM one
  UNION ALL SELECT pool_place, 15, name, 'pages_too_many', pages - pages_least, 1.0 * (pages - pages_least) / nullif(pages, 0), 'pages beyond that: the address spread' FROM one
  UNION ALL SELECT pool_place, 16, name, 'lost', lost, 1.0 * lost / nullif(gets + puts, 0), 'gets and puts of which only the number is known' FROM one
)
WHERE n IS NOT NULL
ORDER BY pool_place, nth;
