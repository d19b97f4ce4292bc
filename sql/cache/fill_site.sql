-- SPDX-License-Identifier: MIT
-- Private: the sums by event and where alone (tables.sql).

INSERT INTO cache_site
SELECT event_no, where_no, sum(cache_cell.samples), CAST(total(cache_cell.events) AS INTEGER), total(cache_cell.cost),
       total(cache_cell.cost) / nullif(cache_event.cost, 0),
       total(CASE WHEN level IN (6, 7) THEN cache_cell.cost END) / nullif(cache_event.cost, 0),
       total(CASE WHEN level = 7 THEN cache_cell.cost END) / nullif(cache_event.cost, 0),
       total(CASE WHEN tlb = 2 THEN cache_cell.cost END) / nullif(cache_event.cost, 0),
       sum(CASE WHEN tlb = 2 THEN cache_cell.samples ELSE 0 END), sum(late)
FROM cache_cell JOIN cache_event USING (event_no)
GROUP BY event_no, where_no;
