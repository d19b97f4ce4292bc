-- SPDX-License-Identifier: MIT
-- The coverage object of every report: how much of what happened its figures stand on. One row.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :start_ns (of the recording)
--             :covered_ns (how much of from-to was recorded) :tid (NULL: all) :slots_ns (start of the first slot that
--             :from_ns to :to_ns touch) :lost_ns (the end of what may have been lost in it, exclusive)
-- Columns:
--   calls_counted       calls in the histograms, of all threads, in the slots that :from_ns to :to_ns touch
--   calls_lost          missing in every figure
--   rows_kept           calls kept as rows, of the thread asked for
--   rows_lost           counted, but not kept
--   duty                part of the time in which calls were probed, 0 to 1; NULL: not known
--   floor_ns            what the probes themselves take, subtracted from every duration; NULL: not known
--   uncertain_ns        how far a duration may be off after that (p99): as measured against programs that time themselves,
--                       and not less than the spread of the floor when the recording began
--   events_lost         of what the kernel did to the target: calls are then unexplained that need not be
--   rows_thinned        of all of the recording, rows of calls that gave way to `record --max-size`: those that stayed stand
--                       for them, by their weights; 0: none
--   from_ns, to_ns      the time that the report covers, since the start of the recording
--   stacks_lost         of kept calls and followed blocks, by a library whose rings were full: sites and components miss them
--   markers_lost        that told of phases, spans, pools or counts, and found no room: figures by these miss them
--
-- Caveats: a loss is known by the interval in which it happened, about a second long, or a slot that was rolled up. total(), since sum() fails where
-- a session's numbers overflow.

SELECT (SELECT CAST(total(calls) AS INTEGER) FROM latency_sum
        WHERE slot_ns >= :slots_ns AND slot_ns < :to_ns)                              AS calls_counted,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE what = 'calls' AND t_ns >= :from_ns AND t_ns < :lost_ns)   AS calls_lost,
       (SELECT count(*) FROM call
        WHERE t_ns >= :from_ns AND t_ns < :to_ns AND (:tid IS NULL OR tid = :tid))  AS rows_kept,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE what = 'rows' AND t_ns >= :from_ns AND t_ns < :lost_ns)    AS rows_lost,
       CAST((SELECT value FROM session WHERE key = 'duty') AS REAL)                 AS duty,
       CAST((SELECT value FROM session WHERE key = 'floor_ns') AS INTEGER)          AS floor_ns,
       CASE (SELECT value FROM session WHERE key = 'backend')
         WHEN 'preload' THEN 50
         ELSE max(300, coalesce((SELECT CAST(value AS INTEGER) FROM session WHERE key = 'floor_spread_ns'), 0))
       END                                                                          AS uncertain_ns,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE source = 'kernel event ring'
          AND t_ns >= :from_ns AND t_ns < :lost_ns)                      AS events_lost,
       (SELECT CAST(total(rows) AS INTEGER) FROM thinned WHERE name LIKE 'call %')  AS rows_thinned,
       max(:from_ns, :start_ns) - :start_ns                                         AS from_ns,
       max(:from_ns, :start_ns) - :start_ns + :covered_ns                           AS to_ns,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE source = 'preload stacks'
          AND t_ns >= :from_ns AND t_ns < :lost_ns)                      AS stacks_lost,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE source IN ('preload markers', 'marker ring')
          AND t_ns >= :from_ns AND t_ns < :lost_ns)                      AS markers_lost;
