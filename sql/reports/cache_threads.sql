-- SPDX-License-Identifier: MIT
-- Which threads: one row for each event and thread, the most first.
--
-- Parameters: :limit (-1: all) :brief (1: the first 6; NULL: all)
-- Columns:
--   event
--   tid         NULL: all threads beyond the first 262,144 together
--   thread      its name when last looked at
--   samples
--   events      estimate: the sum of the periods
--   share       of the latency of the event, as in the table sites, 0 to 1
--   dram_share  of the thread's latency: from local or remote DRAM; NULL: the event tells no levels
--
-- Reads temporary tables of sql/cache/tables.sql.

SELECT event, cache_thread.tid,
       (SELECT comm FROM thread WHERE thread.tid = cache_thread.tid ORDER BY thread_id DESC LIMIT 1) AS thread,
       cache_thread.samples, cache_thread.events, cache_thread.cost / nullif(cache_event.cost, 0) AS share,
       CASE WHEN EXISTS (SELECT 1 FROM temp.cache_cell WHERE cache_cell.event_no = cache_thread.event_no AND level > 0)
            THEN dram_cost * 1.0 / nullif(cache_thread.cost, 0) END AS dram_share
FROM temp.cache_thread JOIN temp.cache_event USING (event_no)
ORDER BY place, cache_thread.cost DESC, cache_thread.samples DESC, cache_thread.tid
LIMIT coalesce(6 * :brief, :limit);
