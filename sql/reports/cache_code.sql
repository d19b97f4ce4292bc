-- SPDX-License-Identifier: MIT
-- Which code: one row for each event and sampled function, the most first.
--
-- Parameters: :limit (-1: all) :brief (1: the first 10, of further events 3; NULL: all)
-- Columns:
--   event
--   code         the function that the sampled instruction is in; NULL: not known
--   samples
--   events       estimate: the sum of the periods
--   share        of the latency of the event, each sample times its period; of an event that tells no latency, of its
--                periods; 0 to 1
--   level        the level with the most of it; NULL: not told
--   level_share  of the function's latency
--
-- Reads temporary tables of sql/cache/tables.sql.

WITH at_level AS (
  SELECT event_no, code, level, total(samples) AS samples, total(events) AS events, total(cost) AS cost
  FROM temp.cache_code GROUP BY event_no, code, level
), whole AS (
  -- With max() the column `level` is of the row that has it: SQLite's documented bare columns.
  SELECT event_no, code, level, max(cost) AS most, total(samples) AS samples, total(events) AS events,
         total(cost) AS cost
  FROM at_level GROUP BY event_no, code
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY event_no ORDER BY cost DESC, samples DESC, code) AS nth FROM whole
)
SELECT event, code, CAST(ranked.samples AS INTEGER) AS samples, CAST(ranked.events AS INTEGER) AS events,
       ranked.cost / nullif(cache_event.cost, 0) AS share,
       CASE WHEN level > 0 THEN name END AS level, CASE WHEN level > 0 THEN most / nullif(ranked.cost, 0) END AS level_share
FROM ranked JOIN temp.cache_event USING (event_no) JOIN temp.cache_level USING (level)
WHERE :brief IS NULL OR nth <= CASE place WHEN 1 THEN 10 ELSE 3 END
ORDER BY place, nth
LIMIT :limit;
