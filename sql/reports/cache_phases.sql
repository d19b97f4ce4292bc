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

SELECT event, phase, cache_phase.samples, cache_phase.events, cache_phase.cost / nullif(cache_event.cost, 0) AS share,
       CASE WHEN EXISTS (SELECT 1 FROM temp.cache_cell WHERE cache_cell.event_no = cache_phase.event_no AND level > 0)
            THEN dram_cost * 1.0 / nullif(cache_phase.cost, 0) END AS dram_share
FROM temp.cache_phase JOIN temp.cache_event USING (event_no)
ORDER BY place, (SELECT min(start_ns) FROM phase WHERE phase.name = cache_phase.phase), phase
LIMIT :limit;
