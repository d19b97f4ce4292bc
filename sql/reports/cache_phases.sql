-- SPDX-License-Identifier: MIT
-- In which phase of the trading session (v_phase): one row for each event and phase, in the order in which the phases
-- first began. No rows: no phases were told.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   event
--   phase       its name: all its times together; NULL: in no phase
--   samples
--   events      estimate: the sum of the periods
--   share       of the latency of the event, as in the table sites, 0 to 1
--   dram_share  of the phase's latency: from local or remote DRAM; NULL: the event tells no levels
--
-- Reads temporary tables of sql/cache/tables.sql.

WITH began AS MATERIALIZED (
  SELECT name, min(start_ns) AS start_ns FROM phase GROUP BY name
), levelled AS MATERIALIZED (
  SELECT DISTINCT event_no FROM temp.cache_cell WHERE level > 0
)
SELECT event, phase, p.samples, p.events, p.cost / nullif(cache_event.cost, 0) AS share,
       CASE WHEN event_no IN levelled THEN dram_cost * 1.0 / nullif(p.cost, 0) END AS dram_share
FROM temp.cache_phase AS p JOIN temp.cache_event USING (event_no) LEFT JOIN began ON began.name = phase
ORDER BY place, began.start_ns, phase
LIMIT :limit;
