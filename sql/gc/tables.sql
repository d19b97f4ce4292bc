-- SPDX-License-Identifier: MIT
-- Private: what report `gc` computes before it is asked (analysis/gc/gc.h), as temporary tables that sql/reports/gc*.sql and
-- sql/advice/gc_*.sql read. Times are session clock.

DROP TABLE IF EXISTS temp.gc_scope;
CREATE TEMP TABLE gc_scope (    -- one row
  from_ns INTEGER, now_ns INTEGER, -- what is told of, within the recording
  is_cut INTEGER,               -- part of the recording only
  slot_ns INTEGER               -- of the series that are correlated
);

DROP TABLE IF EXISTS temp.gc_pause;
CREATE TEMP TABLE gc_pause (    -- pauses as the threads feel them: fill_pause.sql
  gc_id INTEGER PRIMARY KEY, runtime TEXT, kind TEXT, cause TEXT,
  from_ns INTEGER,              -- the order to stop, where that was seen
  felt_ns INTEGER, ttsp_ns INTEGER
);
CREATE INDEX temp.gc_pause_from_ns ON gc_pause (from_ns);

DROP TABLE IF EXISTS temp.gc_mmu;
CREATE TEMP TABLE gc_mmu (window_ns INTEGER PRIMARY KEY, mmu REAL, pause_ns INTEGER, t_ns INTEGER); -- analysis/gc/mmu.h

DROP TABLE IF EXISTS temp.gc_step;
CREATE TEMP TABLE gc_step (n INTEGER PRIMARY KEY, t_ns INTEGER, step_ns INTEGER, pause_ns INTEGER); -- of the strip

DROP TABLE IF EXISTS temp.gc_trend;
CREATE TEMP TABLE gc_trend (    -- what is used after collections, over time: bytes a second, with 95 % confidence
  runtime TEXT, pool TEXT, n INTEGER, slope REAL, lo REAL, hi REAL,
  PRIMARY KEY (runtime, pool)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.gc_relation;
CREATE TEMP TABLE gc_relation ( -- analysis/gc/relations.h
  y TEXT, x TEXT, lag INTEGER, slots INTEGER, free_slots REAL, rho REAL, p REAL,
  p_all REAL,                   -- all of the table taken together
  is_best INTEGER,              -- of all lags of this y and x the surest; the others have no slope
  slope REAL, lo REAL, hi REAL, -- of y, in its unit, for each step of x
  step TEXT, unit TEXT          -- what a step is, and what y is told in
);

DROP TABLE IF EXISTS temp.gc_slot;
CREATE TEMP TABLE gc_slot (     -- some of the series, a second; NULL: not known
  n INTEGER PRIMARY KEY, t_ns INTEGER,
  pauses REAL, allocated REAL, promoted REAL
);

DROP TABLE IF EXISTS temp.gc_class_relation;
CREATE TEMP TABLE gc_class_relation ( -- promotion by what is given out to a class, at the surest lag: analysis/gc/classes.c
  class_id INTEGER PRIMARY KEY, lag_ns INTEGER, slots INTEGER, rho REAL,
  p REAL,                       -- all classes and lags taken together
  slope REAL, lo REAL, hi REAL  -- bytes promoted for each byte given out, with 95 % confidence
);

DROP TABLE IF EXISTS temp.gc_burst;
CREATE TEMP TABLE gc_burst (    -- fill_burst.sql
  class_id INTEGER PRIMARY KEY, bursts INTEGER, slots INTEGER,
  burst_share REAL, else_share REAL, -- of what is given out in bursts, and in other slots
  promoted REAL, else_promoted REAL -- of a byte that is given out in these
);

DROP TABLE IF EXISTS temp.gc_advice;
CREATE TEMP TABLE gc_advice (   -- v_gc_advice
  runtime TEXT, rule TEXT, finding TEXT, evidence TEXT, setting TEXT, effect TEXT, how_to_check TEXT, query TEXT, share REAL,
  measure TEXT, before REAL, predicted REAL
);
