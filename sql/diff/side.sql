-- SPDX-License-Identifier: MIT
-- One side of a comparison: what was recorded and how, and how much its figures stand on. One row.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :start_ns (of the recording) :covered_ns :lost_ns (as in
--             sql/reports/object_coverage.sql) :file (its path) :phase (NULL: all of it) :seconds (how many units of
--             time are compared)
-- Columns: as named; of calls_counted and what follows, those of the part that is compared. from_ns is since the start of the
--          recording, compared_ns how much of it is compared: slots that lie in it as a whole.

WITH said AS (
  SELECT max(CASE WHEN key = 'pid' THEN CAST(value AS INTEGER) END) AS pid,
         max(CASE WHEN key = 'command' THEN value END)      AS command,
         max(CASE WHEN key = 'host' THEN value END)         AS host,
         max(CASE WHEN key = 'kernel' THEN value END)       AS kernel,
         max(CASE WHEN key = 'cpu' THEN value END)          AS cpu,
         max(CASE WHEN key = 'version' THEN value END)      AS version,
         max(CASE WHEN key = 'planes' THEN value END)       AS planes,
         max(CASE WHEN key = 'backend' THEN value END)      AS backend,
         max(CASE WHEN key = 'probe' THEN value END)        AS probe,
         max(CASE WHEN key = 'duty' THEN CAST(value AS REAL) END) AS duty,
         max(CASE WHEN key = 'floor_ns' THEN CAST(value AS INTEGER) END) AS floor_ns,
         max(CASE WHEN key = 'keep_over_ns' THEN value END) AS keep_over_ns,
         max(CASE WHEN key = 'causes' THEN value END)       AS causes
  FROM session
)
SELECT :file AS file, :phase AS phase, pid, command, host, kernel, cpu, version, planes, backend, probe, duty, floor_ns,
       keep_over_ns, causes,
       (SELECT group_concat(allocator, ' ') FROM (SELECT DISTINCT allocator FROM probe ORDER BY allocator)) AS allocators,
       EXISTS (SELECT 1 FROM call WHERE kept = 3)                                         AS kept_all,
       (SELECT finished FROM session_time)                                                AS finished,
       max(:from_ns, :start_ns) - :start_ns                                               AS from_ns,
       :covered_ns                                                                        AS compared_ns,
       :seconds                                                                           AS seconds,
       (SELECT CAST(total(calls) AS INTEGER) FROM latency_sum
        WHERE slot_ns >= :from_ns AND slot_ns < :to_ns)                                   AS calls_counted,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE what = 'calls' AND t_ns >= :from_ns AND t_ns < :lost_ns)                    AS calls_lost,
       (SELECT count(*) FROM call WHERE t_ns >= :from_ns AND t_ns < :to_ns)               AS rows_kept,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE what = 'rows' AND t_ns >= :from_ns AND t_ns < :lost_ns)                     AS rows_lost,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE what = 'events' AND source <> 'preload stacks' AND t_ns >= :from_ns AND t_ns < :lost_ns) AS events_lost,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE source = 'preload stacks' AND t_ns >= :from_ns AND t_ns < :lost_ns)         AS stacks_lost,
       (SELECT CAST(total(rows) AS INTEGER) FROM thinned WHERE name LIKE 'call %' OR name IN ('span', 'gc'))
                                                                                          AS rows_thinned
FROM said;
