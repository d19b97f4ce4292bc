-- SPDX-License-Identifier: MIT
-- Which threads: one row for each event and thread, the most first.
--
-- Parameters: :limit (-1: all) :brief (1: the first 6, of further events 2; NULL: all)
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

WITH named AS MATERIALIZED (
  -- With max() the column `comm` is of the row that has it: SQLite's documented bare columns.
  SELECT tid, comm, max(thread_id) FROM thread GROUP BY tid
), levelled AS MATERIALIZED (
  SELECT DISTINCT event_no FROM temp.cache_cell WHERE level > 0
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY event_no ORDER BY cost DESC, samples DESC, tid) AS nth FROM temp.cache_thread
)
SELECT event, t.tid, comm AS thread, t.samples, t.events, t.cost / nullif(cache_event.cost, 0) AS share,
       CASE WHEN event_no IN levelled THEN dram_cost * 1.0 / nullif(t.cost, 0) END AS dram_share
FROM ranked AS t JOIN temp.cache_event USING (event_no) LEFT JOIN named ON named.tid = t.tid
WHERE :brief IS NULL OR nth <= CASE place WHEN 1 THEN 6 ELSE 2 END
ORDER BY place, nth
LIMIT :limit;
