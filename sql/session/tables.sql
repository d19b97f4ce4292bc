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
DROP TABLE IF EXISTS temp.session_slot;
DROP TABLE IF EXISTS temp.session_calm;
DROP TABLE IF EXISTS temp.session_move;

CREATE TEMP TABLE session_phase(
  n INTEGER PRIMARY KEY,
  name, nth, source,   -- nth: of the phases of this name; NULL of the whole
  start_ns, end_ns,    -- session clock; within what was asked for
  covered_ns,          -- by slots
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
  n INTEGER                -- the innermost phase at its middle
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
