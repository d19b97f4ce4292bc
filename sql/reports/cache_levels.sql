-- SPDX-License-Identifier: MIT
-- From where the data came: one row for each event and level, the most first.
--
-- Parameters: :limit (-1: all) :people (1: no rows where no event tells it)
-- Columns:
--   event
--   level       as in v_sample: L1 LFB L2 L3 'other cache' 'local DRAM' 'remote DRAM' 'other memory'; 'not told'
--   samples
--   weight      sum of the samples' latencies, cycles; NULL: not told
--   share       of the latency of all samples of the event, each times its period; of an event that tells no latency, of
--               its periods; 0 to 1
--   events      estimate: the sum of the periods
--   walk_share  of that latency: where the page tables were walked; NULL: not told
--
-- Reads temporary tables of sql/cache/tables.sql.

SELECT event, cache_level.name AS level, sum(cache_cell.samples) AS samples,
       CASE WHEN has_weight THEN CAST(total(weight) AS INTEGER) END AS weight,
       total(cache_cell.cost) / nullif(cache_event.cost, 0) AS share,
       CAST(total(cache_cell.events) AS INTEGER) AS events,
       CASE WHEN max(tlb) > 0
            THEN total(CASE WHEN tlb = 2 THEN cache_cell.cost END) / nullif(total(cache_cell.cost), 0) END AS walk_share
FROM temp.cache_cell JOIN temp.cache_event USING (event_no) JOIN temp.cache_level USING (level)
WHERE NOT coalesce(:people, 0) OR EXISTS (SELECT 1 FROM temp.cache_cell WHERE level > 0)
GROUP BY event_no, level
ORDER BY cache_event.place, total(cache_cell.cost) DESC, level
LIMIT :limit;
