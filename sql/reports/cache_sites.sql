-- SPDX-License-Identifier: MIT
-- Which data misses the cache, and who allocated it: one row for each event, allocation site and level, the site with
-- the most first. What is in no object of a known site has rows by place, so that the shares of an event add up to 1.
--
-- Parameters: :limit (-1: all) :brief (1: the first 20; NULL: all) :people (1: no rows where no sample has an address)
-- Columns:
--   event
--   site           where the object was allocated, as in v_sample; else [pool] [stack] [data] [file] [older] [untracked]
--                  [unknown]: v_sample.place; [no address]
--   level          from where the data came, as in v_sample; 'not told'
--   samples
--   events         estimate: the sum of their periods
--   share          of the latency of all samples of the event, each times its period; of an event that tells no latency,
--                  of its periods; 0 to 1
--   p50_weight, p99_weight   of the latency in cycles, each counted as often as its period says; nearest rank, within 0.8 %;
--                  NULL: not told
--   walk_share     of that latency: where the page tables were walked; NULL: not told
--   objects, lines how many different objects, and lines of 64 bytes, were hit; NULL: of the eighth event and later ones
--   bytes          sum of the sizes of those objects
--   place          as in v_sample
--
-- Reads temporary tables of sql/cache/tables.sql.

WITH cell AS (
  SELECT event_no, where_no, level, sum(samples) AS samples, CAST(total(events) AS INTEGER) AS events,
         total(cost) AS cost,
         CASE WHEN max(tlb) > 0 THEN total(CASE WHEN tlb = 2 THEN cost END) END AS walk_cost
  FROM temp.cache_cell GROUP BY event_no, where_no, level
)
SELECT event, site, cache_level.name AS level, cell.samples, cell.events,
       cell.cost / nullif(cache_event.cost, 0) AS share, p50_weight, p99_weight,
       walk_cost / nullif(cell.cost, 0) AS walk_share, objects, lines, bytes, cache_where.place
FROM cell
  JOIN temp.cache_event USING (event_no)
  JOIN temp.cache_where USING (where_no)
  JOIN temp.cache_level ON cache_level.level = cell.level
  JOIN temp.cache_site USING (event_no, where_no)
  LEFT JOIN temp.cache_quantile USING (event_no, where_no, level)
  LEFT JOIN temp.cache_distinct USING (event_no, where_no, level)
WHERE NOT coalesce(:people, 0) OR EXISTS (SELECT 1 FROM temp.cache_event WHERE has_address)
ORDER BY cache_event.place, cache_site.cost DESC, where_no, cell.cost DESC, cell.level
LIMIT coalesce(20 * :brief, :limit);
