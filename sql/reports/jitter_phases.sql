-- SPDX-License-Identifier: MIT
-- The same by phase of the trading session (v_phase): one row for each phase and operation, in the order in which the
-- phases first began. No rows: no phases were told.
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   phase         its name: all its times together; NULL: what was in no phase
--   t_ns          when it began, the first time, since the start of the recording
--   seconds       of the recording, that began in it
--   op, calls, p50_ns, p99_ns, p999_ns, p9999_ns, max_ns, mean_ns, cv, p999_over_p50   as by size
--
-- Caveats: exact for phases of a calendar and of marks, which slots end with. Phases that markers tell are counted by the
-- slot, of about a second or as --max-size has left it: one in which the phase changes is all of the phase in which it began.
-- What lies in several phases counts for each of them.
-- Phases beyond the first 63 names are one.
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT jitter_phase.name AS phase, start_ns - :start_ns AS t_ns, seconds, op.name AS op,
       calls, p50_ns, p99_ns, p999_ns, p9999_ns, max_ns,
       round(mean_ns, 1)                                  AS mean_ns,
       round(stddev_ns / nullif(mean_ns, 0), 3)           AS cv,
       round(p999_ns * 1.0 / nullif(p50_ns, 0), 1)        AS p999_over_p50
FROM temp.jitter_spread
JOIN op USING (op_id)
JOIN temp.jitter_phase ON phase IS key
WHERE kind = 'phase'
ORDER BY key, op_id
LIMIT :limit;
