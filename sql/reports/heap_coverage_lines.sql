-- SPDX-License-Identifier: MIT
-- What report heap stands on, in words: its coverage line. Columns: sentence.
--
-- Parameters: :from_ns :lost_ns (as in object_coverage.sql)
-- Reads temporary tables of analysis/heap/heap.h.

SELECT 'blocks: '
       || CASE track WHEN 'all' THEN 'all that were born in the recording were followed'
          ELSE 'drawn by size, of ' || mp_bytes(CAST(track AS INTEGER)) || ' one'
               || CASE WHEN period <> track THEN ', at last of ' || mp_bytes(CAST(period AS INTEGER)) ELSE '' END END
       || ': ' || printf('%,d', s.rows) || ' rows'
       || CASE WHEN lost_rows > 0 THEN '; the end of ' || printf('%,d', lost_rows) || ' was told by nobody' ELSE '' END
       || CASE WHEN room > 0 THEN '; ' || printf('%,d', room) || ' could NOT be followed' ELSE '' END AS sentence
FROM (SELECT (SELECT value FROM session WHERE key = 'track') AS track,
             (SELECT value FROM session WHERE key = 'track_period_bytes') AS period,
             (SELECT CAST(total(lost) AS INTEGER) FROM loss
              WHERE source IN ('blocks to be followed, without room', 'followed blocks, of too many')
                AND t_ns >= :from_ns AND t_ns < :lost_ns) AS room), temp.heap_scope s
WHERE track <> 'off';
