-- SPDX-License-Identifier: MIT
-- What report heap stands on. One row.
--
-- Parameters: :slots_ns :from_ns :to_ns :lost_ns (as in object_coverage.sql) :tid (NULL: all)
-- Columns:
--   track               all; off; else the period in bytes that blocks were drawn with at first: of so many bytes one
--   period_bytes        the last period; NULL: none was drawn
--   rows                followed blocks, that were born in the time or lived in it
--   live_bytes, error_bytes, live_objects   at its end, all sites; as in heap_sites.sql
--   lost_rows           of the rows, those whose end nobody told; they count as long as they were known to be alive
--   events_lost         blocks that were to be followed, and could not be
--   rows_lost           with track all: calls that were counted and not told; the blocks of releases among them look alive
--   older_frees         releases of blocks from before the recording, of all threads, in the slots of the time: with track
--                       all counted (what was born unseen counts with them); else all releases less those of followed blocks
--   older_frees_error   that is as near with 95 % confidence
--
-- Reads temporary tables of analysis/heap/heap.h.

WITH given AS (
  SELECT coalesce((SELECT value FROM session WHERE key = 'track'), 'off') AS track
), freed AS (
  SELECT total(weight) AS n, total(weight * (weight - 1)) AS variance FROM block
  WHERE ended = 1 AND died_ns >= :slots_ns AND died_ns < :to_ns
), counted AS (
  SELECT total(calls) AS n FROM latency_sum JOIN op USING (op_id)
  WHERE op.name IN ('free', 'delete') AND slot_ns >= :slots_ns AND slot_ns < :to_ns
)
SELECT track, CAST((SELECT value FROM session WHERE key = 'track_period_bytes') AS INTEGER) AS period_bytes,
       s.rows AS rows, CAST(round(s.live_bytes) AS INTEGER) AS live_bytes,
       CAST(round(2 * s.live_bytes_sd) AS INTEGER) AS error_bytes,
       CAST(round(s.live_objects) AS INTEGER) AS live_objects, lost_rows,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss WHERE source IN ('blocks to be followed, without room',
          'followed blocks, of too many', 'tracked call ring') AND t_ns >= :from_ns AND t_ns < :lost_ns) AS events_lost,
       CASE track WHEN 'all' THEN (SELECT CAST(total(lost) AS INTEGER) FROM loss
         WHERE (what = 'rows' OR source = 'tracked call ring') AND t_ns >= :from_ns AND t_ns < :lost_ns) ELSE 0 END AS rows_lost,
       CASE track WHEN 'off' THEN NULL
         WHEN 'all' THEN (SELECT CAST(total(value) AS INTEGER) FROM counter
                          WHERE name = 'frees_of_older_blocks' AND slot_ns >= :slots_ns AND slot_ns < :to_ns)
         ELSE CAST(max(0, round(counted.n - freed.n)) AS INTEGER) END AS older_frees,
       CASE track WHEN 'off' THEN NULL WHEN 'all' THEN 0
         ELSE CAST(round(2 * mp_sqrt(freed.variance)) AS INTEGER) END AS older_frees_error
FROM given, freed, counted, temp.heap_scope s;
