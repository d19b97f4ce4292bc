-- SPDX-License-Identifier: MIT
-- Private: what report `pools` computes before it is asked (analysis/pools/pools.h), as temporary tables that
-- sql/reports/pool*.sql and sql/advice/pool_*.sql read. All of it is of the time asked for, but for what v_pool_sum and
-- v_pool_site tell, which is of the whole recording. Times are session clock.

DROP TABLE IF EXISTS temp.pool_chosen;
CREATE TEMP TABLE pool_chosen (pool_id INTEGER PRIMARY KEY, has_sum INTEGER); -- asked for; has_sum: v_pool_sum has it

DROP TABLE IF EXISTS temp.pool_line;
CREATE TEMP TABLE pool_line (   -- those that are told of: fill_line.sql
  place INTEGER PRIMARY KEY,    -- the fullest first
  pool_id INTEGER UNIQUE, name TEXT, source TEXT, capacity INTEGER, object_bytes INTEGER, created_ns INTEGER,
  destroyed_ns INTEGER,
  gets INTEGER, puts INTEGER, failures INTEGER, in_use_max INTEGER, in_use_max_t_ns INTEGER, threads INTEGER
);

DROP TABLE IF EXISTS temp.pool_strip;
CREATE TEMP TABLE pool_strip (
  pool_id INTEGER PRIMARY KEY, in_use INTEGER,
  older INTEGER,                -- so many, at least, were out before the recording, beyond what was counted
  watched_ns INTEGER, step_ns INTEGER, strip TEXT,
  is_heap INTEGER               -- no gets and puts, only v_pool_heap: the strip is of the bytes in use
);

DROP TABLE IF EXISTS temp.pool_step;
CREATE TEMP TABLE pool_step (   -- of single pools (--pool): what the strip is made of
  pool_id INTEGER, n INTEGER, t_ns INTEGER, dur_ns INTEGER, in_use_min INTEGER, in_use_max INTEGER, in_use_last INTEGER,
  gets INTEGER, puts INTEGER, failures INTEGER,
  PRIMARY KEY (pool_id, n)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.pool_forecast;
CREATE TEMP TABLE pool_forecast ( -- analysis/forecast/forecast.h; quality 0 none, 1 rough, 2 good; _ns of exhaust: from now
  pool_id INTEGER PRIMARY KEY, quality INTEGER, p_exhaust REAL, max_p10 REAL, max_p50 REAL, max_p90 REAL,
  exhaust_p10_ns INTEGER, exhaust_p50_ns INTEGER, exhaust_p90_ns INTEGER,
  level REAL, trend_per_s REAL, trend_error_per_s REAL, p_trend REAL, burstiness REAL, correlation REAL, shape REAL,
  windows REAL, independent REAL
);

DROP TABLE IF EXISTS temp.pool_forecast_phase;
CREATE TEMP TABLE pool_forecast_phase (
  pool_id INTEGER, phase TEXT, start_ns INTEGER, end_ns INTEGER, p_exhaust REAL, max_p50 REAL, max_p90 REAL
);

DROP TABLE IF EXISTS temp.pool_backtest;
CREATE TEMP TABLE pool_backtest ( -- analysis/forecast/backtest.h
  pool_id INTEGER PRIMARY KEY, horizon_ns INTEGER, origins INTEGER, brier REAL, brier_line REAL, brier_share REAL,
  error REAL, bias REAL, covered REAL
);

DROP TABLE IF EXISTS temp.pool_sizing;
CREATE TEMP TABLE pool_sizing ( -- analysis/forecast/sizing.h; NULL: too little was seen
  pool_id INTEGER PRIMARY KEY, capacity INTEGER, capacity_upper INTEGER, capacity_best INTEGER, is_extrapolated INTEGER,
  is_censored INTEGER, risk_now REAL, growth INTEGER, thread_cache INTEGER, stride_bytes INTEGER, packed_bytes INTEGER,
  capacity_bytes INTEGER, upper_bytes INTEGER, growth_bytes INTEGER, thread_cache_bytes INTEGER, now_bytes INTEGER,
  saving_bytes INTEGER
);

DROP TABLE IF EXISTS temp.pool_quantile;
CREATE TEMP TABLE pool_quantile ( -- of v_pool_latency
  pool_id INTEGER, what TEXT, n INTEGER, p50_ns INTEGER, p99_ns INTEGER,
  PRIMARY KEY (pool_id, what)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.pool_happened;
CREATE TEMP TABLE pool_happened ( -- v_pool_event by kind: fill_happened.sql
  pool_id INTEGER, kind TEXT, events INTEGER, first_ns INTEGER, last_ns INTEGER,
  PRIMARY KEY (pool_id, kind)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.pool_advice;
CREATE TEMP TABLE pool_advice ( -- v_pool_advice, and the rules that need a forecast: fill_advice*.sql
  pool_id INTEGER, name TEXT, rule TEXT, finding TEXT, site TEXT, evidence TEXT, setting TEXT, effect TEXT,
  how_to_check TEXT, share REAL
);

DROP TABLE IF EXISTS temp.pool_note;
CREATE TEMP TABLE pool_note (place INTEGER, text TEXT); -- what is not known, and why: fill_note.sql

DROP TABLE IF EXISTS temp.pool_scope;
CREATE TEMP TABLE pool_scope (  -- one row
  from_ns INTEGER, now_ns INTEGER, -- what is told of, within the recording; forecasts are from now_ns on
  horizon_ns INTEGER, is_horizon_given INTEGER, risk REAL,
  is_cut INTEGER,               -- part of the recording only
  is_single INTEGER,            -- --pool
  pools INTEGER,                -- asked for; pool_line has fewer where they are limited
  real_ns INTEGER               -- added to session clock: ns since 1970; NULL: not known
);
