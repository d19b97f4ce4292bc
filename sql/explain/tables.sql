-- SPDX-License-Identifier: MIT
-- Private: what `explain` and `report advice` compute before they are asked (analysis/explain/why.h), as temporary tables that
-- sql/explain/ and sql/advice/ read. All of it is of the time, thread and operation asked for.
--
-- The calls meant are outliers as in v_outlier; `tail`: of these, the ones at or above the p99.9 of their operation.
-- The time of a call is divided as v_cause says; what would be more than its duration is cut off, and what is missing
-- is `unexplained`: the parts of a call are its duration, whatever a session holds.

DROP TABLE IF EXISTS temp.why_tail;
CREATE TEMP TABLE why_tail (    -- of each operation, from the histograms
  op_id   INTEGER PRIMARY KEY,
  calls   INTEGER,
  p999_ns INTEGER               -- as in v_percentile
);

DROP TABLE IF EXISTS temp.why_total;
CREATE TEMP TABLE why_total (   -- one row
  calls INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER,
  covered_ns INTEGER            -- how long it was recorded
);

DROP TABLE IF EXISTS temp.why_cell;
CREATE TEMP TABLE why_cell (    -- sums by cause and stack
  kind TEXT, stack_id INTEGER,  -- 0: no stack; NULL, both: what came after the largest number of rows
  calls INTEGER, n INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER
);

DROP TABLE IF EXISTS temp.why_detail;
CREATE TEMP TABLE why_detail (  -- sums by cause and detail, where there is one
  kind TEXT, detail TEXT,       -- NULL: as above
  calls INTEGER, n INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER
);

DROP TABLE IF EXISTS temp.why_size;
CREATE TEMP TABLE why_size (    -- sums by stack and size over all kept calls with a size, samples too
  stack_id INTEGER,
  size_bytes INTEGER,           -- -1: all sizes after the fourth of a stack; NULL, both: as above
  rows INTEGER, calls INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER -- calls: estimated; ns: of outliers
);

DROP TABLE IF EXISTS temp.why_call;
CREATE TEMP TABLE why_call (    -- the calls to show
  place INTEGER PRIMARY KEY, call_id INTEGER, t_ns INTEGER, tid INTEGER, op_id INTEGER, size_bytes INTEGER,
  dur_ns INTEGER, stack_id INTEGER
);

DROP TABLE IF EXISTS temp.why_part;
CREATE TEMP TABLE why_part (    -- and their time, divided
  call_id INTEGER, kind TEXT, ns INTEGER, n INTEGER, detail TEXT
);
CREATE INDEX temp.why_part_call ON why_part (call_id);

DROP TABLE IF EXISTS temp.why_advice;
CREATE TEMP TABLE why_advice (  -- what the rules of sql/advice/ found
  rule TEXT, finding TEXT, kind TEXT, site TEXT, evidence TEXT, advice TEXT, weight_ns INTEGER,
  share REAL                    -- of rules about samples, pools or collections, which have no time: what they are about of all of these
);

DROP TABLE IF EXISTS temp.why_site;
CREATE TEMP TABLE why_site (    -- why_cell by site: filled by fill_site.sql
  kind TEXT, site TEXT,
  calls INTEGER, n INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER
);

DROP TABLE IF EXISTS temp.why_kind;
CREATE TEMP TABLE why_kind (    -- the same by cause alone
  kind TEXT PRIMARY KEY,
  calls INTEGER, n INTEGER, ns INTEGER, tail_calls INTEGER, tail_ns INTEGER,
  share REAL, tail_share REAL,  -- of the time of all slow calls, and of the tail, 0 to 1; NULL: there was none
  most REAL,                    -- the greater of the two: what rules are asked from
  site TEXT,                    -- the one with the most of it
  figures TEXT                  -- all that in words, to begin the evidence with
);

DROP TABLE IF EXISTS temp.why_allocator;
CREATE TEMP TABLE why_allocator ( -- one row
  name TEXT                     -- what the target's calls reach: glibc, jemalloc, ...; NULL: not known
);

DROP TABLE IF EXISTS temp.why_runner;
CREATE TEMP TABLE why_runner (  -- why_detail of off_cpu: who ran instead
  comm TEXT, tid INTEGER,
  who TEXT,                     -- own: a thread of the target; kworker; ksoftirqd; idle; other
  calls INTEGER, ns INTEGER
);
