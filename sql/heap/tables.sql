-- SPDX-License-Identifier: MIT
-- Private: what report `heap` computes before it is asked (analysis/heap/heap.h), as temporary tables that
-- sql/reports/heap*.sql read. Times are session clock; bytes and numbers of blocks are estimates (v_block).

DROP TABLE IF EXISTS temp.heap_site_name;
CREATE TEMP TABLE heap_site_name (site_no INTEGER PRIMARY KEY, site TEXT UNIQUE); -- 0: no stack
INSERT INTO temp.heap_site_name (site_no, site) SELECT 0, '[no stack]';
INSERT OR IGNORE INTO temp.heap_site_name (site) SELECT DISTINCT site FROM stack_site;

DROP TABLE IF EXISTS temp.heap_scope;
CREATE TEMP TABLE heap_scope (  -- one row
  from_ns INTEGER, to_ns INTEGER, -- what is told of, within the recording
  rows INTEGER,                 -- followed blocks
  lost_rows INTEGER,            -- of them, those whose end nobody told
  live_bytes REAL, live_bytes_sd REAL, live_objects REAL, live_objects_sd REAL, -- at the end; of all sites
  half_ns INTEGER,              -- since then growth is looked at: the second half
  grown_bytes REAL, grown_bytes_sd REAL, -- since then
  rises INTEGER, segments INTEGER -- of so many equal parts of it, in so many it rose
);

DROP TABLE IF EXISTS temp.heap_site;
CREATE TEMP TABLE heap_site (   -- of all blocks of a site
  site_no INTEGER PRIMARY KEY,
  rows INTEGER,                 -- followed blocks that were born in the time, or live at its end
  live_bytes REAL, live_bytes_sd REAL, live_objects REAL, live_objects_sd REAL, -- at the end of the time; standard errors
  peak_bytes REAL, peak_ns INTEGER, -- the most at one of 4096 instants, and when
  born REAL, born_bytes REAL,   -- in the time
  p50_ns INTEGER, p99_ns INTEGER, -- of lifetimes; NULL: longer than was watched
  watched_ns INTEGER,           -- the longest that a block was seen to live
  crossed_share REAL,           -- of those that were released, by another thread; NULL: none was
  kept_share REAL,              -- of those that were born in the time, alive at its end
  grown_bytes REAL, grown_bytes_sd REAL -- in the second half
);

DROP TABLE IF EXISTS temp.heap_size;
CREATE TEMP TABLE heap_size (   -- of all sites
  size_class INTEGER PRIMARY KEY, rows INTEGER, live_bytes REAL, live_objects REAL, live_bytes_sd REAL, born REAL
);

DROP TABLE IF EXISTS temp.heap_step;
CREATE TEMP TABLE heap_step (n INTEGER PRIMARY KEY, t_ns INTEGER, step_ns INTEGER, live_bytes REAL, live_objects REAL); -- at its end
