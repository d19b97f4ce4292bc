-- SPDX-License-Identifier: MIT
-- The phases of many days side by side: a row for each time that a phase was on a day, by phase, then by day.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   phase            as in sql/reports/session_phases.sql; NAME#1, NAME#2 where one comes several times on any day; (all): the
--                    whole recording
--   day              the date on which the recording began, in UTC; its file, where two began on the same date
--   dur_ns allocs_per_s bytes_per_s p50_ns p99_ns p999_ns max_ns alloc_share live_bytes faults_per_s
--                    as there
--   gc_pauses_per_s, gc_share   pauses of collectors, and their share of the time; NULL: none was recorded
--   pool, pool_share the fullest pool, and how full of its capacity it was; NULL: there are none
--   file             of the session
--   start            of the recording, in UTC
--
-- Caveats: phases that were found in the data are left out: that of a number on one day need not be that of another.
-- Reads the tables of tables.sql.

SELECT phase, day, dur_ns, allocs_per_s, bytes_per_s, p50_ns, p99_ns, p999_ns, max_ns, alloc_share, live_bytes, faults_per_s,
       gc_pauses_per_s, gc_share, pool, pool_share, file, strftime('%Y-%m-%dT%H:%M:%SZ', start_s, 'unixepoch') AS start
FROM card JOIN day USING (day_no)
ORDER BY min(place) OVER (PARTITION BY phase), phase, day_no, place
LIMIT :limit;
