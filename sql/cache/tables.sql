-- SPDX-License-Identifier: MIT
-- Private: what report `cache` computes before it is asked (analysis/cache/cache.h), as temporary tables that sql/reports/cache_*
-- and sql/advice/cache_* read. All of it is of the time and thread asked for.
--
-- `samples` is how many; `events` for how many of the event they stand: the sum of their periods; `cost` is what shares
-- are of: the sum of weight x period where the event tells how long an access took, else the sum of periods. `level`,
-- `place` and `quality` are numbers (store/append.h).

DROP TABLE IF EXISTS temp.cache_level;
CREATE TEMP TABLE cache_level (level INTEGER PRIMARY KEY, name TEXT);
INSERT INTO temp.cache_level VALUES
  (0, 'not told'), (1, 'L1'), (2, 'LFB'), (3, 'L2'), (4, 'L3'), (5, 'other cache'), (6, 'local DRAM'),
  (7, 'remote DRAM'), (8, 'other memory');

DROP TABLE IF EXISTS temp.cache_rung;
CREATE TEMP TABLE cache_rung (quality INTEGER PRIMARY KEY, name TEXT, has_address INTEGER, means TEXT);
INSERT INTO temp.cache_rung VALUES
  (0, 'software', 1, 'counted by the kernel, exactly; which data, where the event has an address (page faults)'),
  (1, 'counter', 0, 'a counter overflowed: the code is near, often a few instructions late; no data address'),
  (2, 'precise', 0, 'the instruction is right; no data address'),
  (3, 'breakpoint', 1, 'a watched address: instruction and data are right; no latency'),
  (4, 'data', 1, 'with the data''s address, not how long it took'),
  (5, 'spe', 1, 'ARM SPE: address, latency and source of each sampled access'),
  (6, 'ibs', 1, 'AMD IBS: address, latency and source of each sampled access'),
  (7, 'pebs', 1, 'Intel PEBS: address, latency and source of each sampled access');

DROP TABLE IF EXISTS temp.cache_where;
CREATE TEMP TABLE cache_where ( -- where addresses lie: sites of objects, from 16 on, and what is none
  where_no  INTEGER PRIMARY KEY,
  place     TEXT,               -- as in v_sample; 'no address'
  site      TEXT,
  least_bytes INTEGER, most_bytes INTEGER -- sizes of its objects
);
INSERT INTO temp.cache_where VALUES
  (-1, 'object', '[further places]', NULL, NULL), (0, 'unknown', '[unknown]', NULL, NULL),
  (1, 'object', '[other sites]', NULL, NULL), (2, 'pool', '[pool]', NULL, NULL), (3, 'stack', '[stack]', NULL, NULL),
  (4, 'data', '[data]', NULL, NULL), (5, 'file', '[file]', NULL, NULL), (6, 'older', '[older]', NULL, NULL),
  (7, 'untracked', '[untracked]', NULL, NULL), (8, 'no address', '[no address]', NULL, NULL);

DROP TABLE IF EXISTS temp.cache_event_no;
CREATE TEMP TABLE cache_event_no (event_no INTEGER PRIMARY KEY, event_id INTEGER);

DROP TABLE IF EXISTS temp.cache_event;
CREATE TEMP TABLE cache_event ( -- sampled events that have samples: fill_event.sql
  event_no INTEGER PRIMARY KEY, event TEXT,
  place INTEGER,                -- 1: the one that tells the most
  has_weight INTEGER,           -- it tells how long an access took
  has_address INTEGER,
  samples INTEGER, events INTEGER, cost REAL,
  unit TEXT                     -- what a share is of, for sentences
);

DROP TABLE IF EXISTS temp.cache_cell;
CREATE TEMP TABLE cache_cell (  -- late: samples a second or more after the recording began
  event_no INTEGER, where_no INTEGER, level INTEGER, tlb INTEGER,
  samples INTEGER, weight INTEGER, events INTEGER, cost INTEGER, late INTEGER
);

DROP TABLE IF EXISTS temp.cache_quantile;
CREATE TEMP TABLE cache_quantile ( -- of samples that tell a latency: cycles, each counted as often as its period says
  event_no INTEGER, where_no INTEGER, level INTEGER, p50_weight INTEGER, p99_weight INTEGER,
  PRIMARY KEY (event_no, where_no, level)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.cache_distinct;
CREATE TEMP TABLE cache_distinct ( -- how many different ones were hit; level -1: at all
  event_no INTEGER, where_no INTEGER, level INTEGER, objects INTEGER, bytes INTEGER, lines INTEGER,
  PRIMARY KEY (event_no, where_no, level)
) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.cache_offset;
CREATE TEMP TABLE cache_offset ( -- granule: offset in the object / 8; of objects of 64 KiB at most
  event_no INTEGER, where_no INTEGER, granule INTEGER, code TEXT,
  samples INTEGER, unused INTEGER, events INTEGER, cost INTEGER, late INTEGER
);

DROP TABLE IF EXISTS temp.cache_code;
CREATE TEMP TABLE cache_code (
  event_no INTEGER, code TEXT, level INTEGER, unused_1 INTEGER,
  samples INTEGER, weight INTEGER, events INTEGER, cost INTEGER, unused_2 INTEGER
);

DROP TABLE IF EXISTS temp.cache_thread;
CREATE TEMP TABLE cache_thread (
  event_no INTEGER, unused_1 TEXT, tid INTEGER, unused_2 INTEGER,
  samples INTEGER, unused_3 INTEGER, events INTEGER, cost INTEGER, dram_cost INTEGER
);

DROP TABLE IF EXISTS temp.cache_phase;
CREATE TEMP TABLE cache_phase ( -- phase NULL: in none
  event_no INTEGER, phase TEXT, unused_1 INTEGER, unused_2 INTEGER,
  samples INTEGER, unused_3 INTEGER, events INTEGER, cost INTEGER, dram_cost INTEGER
);

DROP TABLE IF EXISTS temp.cache_place;
CREATE TEMP TABLE cache_place ( -- place NULL: no address
  event_no INTEGER, unused TEXT, quality INTEGER, place INTEGER,
  samples INTEGER, with_weight INTEGER, events INTEGER, cost INTEGER, writes INTEGER
);

DROP TABLE IF EXISTS temp.cache_site;
CREATE TEMP TABLE cache_site (  -- cache_cell by where alone: fill_site.sql
  event_no INTEGER, where_no INTEGER, samples INTEGER, events INTEGER, cost REAL,
  share REAL,                   -- of the event's cost, 0 to 1
  dram_share REAL, remote_share REAL, walk_share REAL, -- likewise: from DRAM, from another node's, with a page walk
  walks INTEGER, late INTEGER
);

DROP TABLE IF EXISTS temp.cache_hot;
CREATE TEMP TABLE cache_hot (   -- cache_offset without the code: fill_hot.sql
  event_no INTEGER, where_no INTEGER, granule INTEGER, samples INTEGER, events INTEGER, cost REAL,
  share REAL,                   -- of the site's cost, 0 to 1
  granules INTEGER,             -- in the largest object of the site
  code TEXT                     -- the function with the most of it
);

DROP TABLE IF EXISTS temp.cache_access;
CREATE TEMP TABLE cache_access ( -- of lines that several threads touch, and one of them writes
  line INTEGER,                 -- address / 64
  object_id INTEGER, where_no INTEGER, tid INTEGER,
  byte INTEGER,                 -- of the line
  is_write INTEGER,
  samples INTEGER, cost INTEGER, -- cost: of the event that tells the most
  other_cache INTEGER           -- samples that came from another cache
);

DROP TABLE IF EXISTS temp.cache_line;
CREATE TEMP TABLE cache_line (  -- those lines that are shared: fill_line.sql
  line INTEGER PRIMARY KEY, kind TEXT, where_no INTEGER, samples INTEGER, cost INTEGER, other_cache INTEGER
);

DROP TABLE IF EXISTS temp.cache_limit;
CREATE TEMP TABLE cache_limit ( -- one row: samples of lines beyond the largest number of them
  lines_left_out INTEGER
);

DROP TABLE IF EXISTS temp.cache_coverage;
CREATE TEMP TABLE cache_coverage ( -- what the figures of each event stand on: fill_coverage.sql
  event TEXT, chosen TEXT, place INTEGER, quality TEXT, means TEXT, samples INTEGER, addr_samples INTEGER,
  weight_samples INTEGER, unmatched_samples INTEGER, older_samples INTEGER, unmatched_share REAL, events INTEGER,
  running_share REAL, note TEXT
);
