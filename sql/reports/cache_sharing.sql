-- SPDX-License-Identifier: MIT
-- Lines of 64 bytes that several threads touch while one of them writes, those shared falsely first. No rows: none was
-- seen.
--
-- Parameters: :limit (-1: all) :brief (1: the first 5; NULL: all) :people
-- Columns:
--   line_addr          the line
--   sharing            false: the threads meet at no byte of it, and need not be on one line; true: they do, at a byte that
--                      one of them writes; both: some of them meet, others not
--   site               where what lies there was allocated: the one with the most samples; [data] and [pool] as in the table
--                      sites
--   threads            who touches it, the first 8; (w): and writes; for people, the first 3
--   offsets            where, in the object; of what is none, in the line; (w): where it is written
--   samples            of all events
--   share              of the latency of the event that tells the most, 0 to 1
--   other_cache_share  of these samples: the data came from another core's or socket's cache
--
-- Caveats: that a sample writes is known only where the event says so (mem-stores, breakpoints). Sampled accesses of one
-- line need not have been at the same time. The 256 lines with the most samples are looked at. Objects that were there
-- one after the other are not shared.
-- Reads temporary tables of sql/cache/tables.sql.

WITH named AS MATERIALIZED (
  -- With max() the column `comm` is of the row that has it: SQLite's documented bare columns.
  SELECT tid, comm, max(thread_id) FROM thread GROUP BY tid
), access AS MATERIALIZED (
  SELECT line, byte, is_write, samples, a.tid, coalesce(comm, '?') || '/' || a.tid AS who,
         coalesce((line << 6) + byte - addr, byte) AS offset
  FROM temp.cache_access AS a LEFT JOIN named ON named.tid = a.tid LEFT JOIN object USING (object_id)
), shown AS MATERIALIZED (
  SELECT * FROM temp.cache_line
  ORDER BY kind = 'true', cost DESC, samples DESC, line LIMIT coalesce(5 * :brief, :limit)
)
SELECT line << 6 AS line_addr, kind AS sharing, site,
       (SELECT group_concat(text, ', ') || CASE WHEN max(nth) < max(n) THEN ', ...' ELSE '' END
        FROM (SELECT count(*) OVER () AS n, row_number() OVER (ORDER BY sum(a.samples) DESC, tid) AS nth,
                     who || CASE WHEN max(is_write) THEN ' (w)' ELSE '' END AS text
              FROM access AS a WHERE a.line = shown.line
              GROUP BY tid ORDER BY nth LIMIT CASE WHEN :people THEN 3 ELSE 8 END)) AS threads,
       (SELECT group_concat(text, ', ')
        FROM (SELECT offset || CASE WHEN max(is_write) THEN ' (w)' ELSE '' END AS text
              FROM access AS a WHERE a.line = shown.line
              GROUP BY byte ORDER BY byte LIMIT 16)) AS offsets,
       samples, cost * 1.0 / nullif((SELECT cost FROM temp.cache_event ORDER BY place LIMIT 1), 0) AS share,
       other_cache * 1.0 / nullif(samples, 0) AS other_cache_share
FROM shown JOIN temp.cache_where USING (where_no)
ORDER BY kind = 'true', cost DESC, samples DESC, line;
