-- SPDX-License-Identifier: MIT
-- Temporary tables of report session, filled by analysis/session/session.h. n numbers the times of phases, in their order;
-- 0 is the whole recording, as far as it was asked for.

DROP TABLE IF EXISTS temp.session_phase;
DROP TABLE IF EXISTS temp.session_stack;
DROP TABLE IF EXISTS temp.session_component;
DROP TABLE IF EXISTS temp.session_cause;
DROP TABLE IF EXISTS temp.session_spike;
DROP TABLE IF EXISTS temp.session_growth;
DROP TABLE IF EXISTS temp.session_spike_stack;
DROP VIEW IF EXISTS temp.session_pool;
DROP VIEW IF EXISTS temp.session_fault;
DROP VIEW IF EXISTS temp.session_pause;
DROP TABLE IF EXISTS temp.session_slot;
DROP TABLE IF EXISTS temp.session_calm;
DROP TABLE IF EXISTS temp.session_move;

CREATE TEMP TABLE session_phase(
  n INTEGER PRIMARY KEY,
  name, nth, source,   -- nth: of the phases of this name; NULL of the whole
  start_ns, end_ns,    -- session clock; within what was asked for
  covered_ns,          -- by slots, and of these the time in which every call was watched
  allocs, frees,       -- exact calls: those that give memory out, and free and delete
  bytes,               -- asked for
  alloc_ns,            -- in calls that give memory out
  p50_ns, p99_ns, p999_ns, max_ns, -- of these
  live_bytes           -- at its end, of the blocks that were born in the recording; NULL: none were followed
);

CREATE TEMP TABLE session_stack( -- estimates from the kept calls that give memory out
  n, stack_id, calls, bytes, time_ns, PRIMARY KEY (n, stack_id)
);

CREATE TEMP TABLE session_component(
  n, component_id, calls, bytes, time_ns, live_bytes, PRIMARY KEY (n, component_id)
);

CREATE TEMP TABLE session_cause( -- of the time of kept calls, by v_cause
  n, kind, times, time_ns
);

CREATE TEMP TABLE session_slot( -- those that were asked for
  slot_ns INTEGER PRIMARY KEY, dur_ns INTEGER,
  n INTEGER,               -- the innermost phase at its middle
  is_mixed INTEGER         -- a phase begins or ends inside
);

CREATE TEMP TABLE session_spike( -- v_spike, with the phases of session_slot
  spike INTEGER PRIMARY KEY,
  series,
  n,                       -- the phase, the innermost
  start_ns, end_ns, peak_ns, -- session clock; peak_ns: begin of the highest slot
  level, value             -- of the series: what it is in this phase, and at the peak
);

CREATE TEMP TABLE session_spike_stack( -- as session_stack
  spike, stack_id, calls, bytes, time_ns, PRIMARY KEY (spike, stack_id)
);

CREATE TEMP TABLE session_calm( -- as session_stack, by the innermost phase, outside of all spikes
  n, stack_id, calls, bytes, time_ns, PRIMARY KEY (n, stack_id)
);

CREATE TEMP TABLE session_move( -- likewise around the starts of spikes, in steps of 25 ms from 10 s before it on
  spike INTEGER, step INTEGER, stack_id INTEGER, calls, bytes, time_ns,
  rows,                    -- kept calls
  component_id             -- of the last one; 0: no rule decides, or there are none
);

CREATE TEMP TABLE session_growth(
  gauge, component_id,  -- NULL: there are no components, of all that is alive
  samples, rho,         -- Spearman's
  slope, lo, hi, intercept -- bytes alive by the gauge: analysis/stats/correlation.h
);

-- What else the cards have, by n: rows only where something is known.

CREATE TEMP VIEW session_pool AS -- rank 1: the fullest pool; share: of its capacity
SELECT n, pool.name, max(in_use_max) * 1.0 / pool.capacity AS share,
       row_number() OVER (PARTITION BY n ORDER BY max(in_use_max) * 1.0 / pool.capacity DESC, pool.name) AS rank
FROM temp.session_phase
JOIN slot ON slot_ns + dur_ns / 2 >= session_phase.start_ns AND slot_ns + dur_ns / 2 < session_phase.end_ns
JOIN pool_use USING (slot_ns) JOIN pool USING (pool_id)
WHERE pool.capacity > 0
GROUP BY n, pool_id;

CREATE TEMP VIEW session_fault AS
SELECT n, sum(faults) AS faults FROM temp.session_phase JOIN (
  SELECT t_ns, value - lag(value) OVER (PARTITION BY name ORDER BY t_ns) AS faults FROM pressure
  WHERE name IN ('minor_faults', 'major_faults')) ON t_ns > start_ns AND t_ns <= end_ns
GROUP BY n;

CREATE TEMP VIEW session_pause AS
SELECT n, count(*) AS pauses, sum(coalesce(stopped_ns, dur_ns)) AS stopped_ns
FROM temp.session_phase JOIN gc ON is_pause AND t_ns >= start_ns AND t_ns < end_ns
GROUP BY n;
