-- SPDX-License-Identifier: MIT
-- Threads use different bytes of one line, and one of them writes: the line moves from core to core.
--
-- Speaks from: 10 samples on such lines of a site, and 1 % of the latency of the event that tells the most, or of all
-- samples of all events.

WITH named AS MATERIALIZED (
  -- With max() the column `comm` is of the row that has it: SQLite's documented bare columns.
  SELECT tid, comm, max(thread_id) FROM thread GROUP BY tid
), spot AS (
  SELECT where_no, count(*) AS lines, sum(samples) AS samples, total(cost) AS cost, sum(other_cache) AS other_cache,
         min(line) AS line
  FROM cache_line WHERE kind <> 'true'
  GROUP BY where_no
)
SELECT 'threads share lines without sharing data' AS finding, 'cache' AS kind, site,
       printf('%d line%s of 64 bytes: %d samples, %d of them from another cache, %.1f %% of %s; the first by %s', lines,
              CASE lines WHEN 1 THEN '' ELSE 's' END, spot.samples, other_cache, spot.cost * 100 / nullif(e.cost, 0), unit,
              (SELECT group_concat(coalesce(comm, '?') || '/' || a.tid, ' and ')
               FROM (SELECT DISTINCT tid FROM cache_access WHERE line = spot.line ORDER BY tid LIMIT 2) AS a
                    LEFT JOIN named ON named.tid = a.tid)) AS evidence,
       'give each thread''s fields lines of their own: alignas(64), on Intel alignas(128) because of the adjacent-line '
       || 'prefetcher; or a copy a thread' AS advice,
       NULL AS weight_ns, spot.cost / nullif(e.cost, 0) AS share
FROM spot JOIN cache_where USING (where_no) JOIN cache_event AS e ON e.place = 1
WHERE spot.samples >= 10 AND (spot.cost >= 0.01 * e.cost OR spot.samples >= 0.01 * (SELECT sum(samples) FROM cache_event));
