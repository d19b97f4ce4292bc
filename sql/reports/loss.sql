-- SPDX-License-Identifier: MIT
-- What was lost on the way: one row for each source and kind. No rows: nothing was lost.
--
-- Parameters: :from_ns :lost_ns (as in object_coverage.sql) :start_ns (of the recording)
--             :limit (-1: all)
-- Columns:
--   source        the buffer or limit that dropped it
--   what          calls: missing in every figure; rows: counted, but not kept as rows; events: others, such as
--                 stacks, markers, page faults
--   lost          how many, exact
--   intervals     in how many intervals of about a second; of the old part of a session that --max-size kept small, of up
--                 to an hour
--   first_t_ns, last_t_ns   end of the first and of the last of them, since the start of the recording
--
-- Caveats: none: what could be lost is counted where it is dropped.

SELECT source, what, sum(lost) AS lost, count(*) AS intervals,
       min(t_ns) - :start_ns AS first_t_ns, max(t_ns) - :start_ns AS last_t_ns
FROM loss
WHERE t_ns >= :from_ns AND t_ns < :lost_ns AND lost > 0
GROUP BY source, what
ORDER BY what, lost DESC, source
LIMIT :limit;
