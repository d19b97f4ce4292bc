-- SPDX-License-Identifier: MIT
-- Where the rows of a report of many days are put to be written: a database of their own, in memory.

CREATE TABLE day(
  day_no INTEGER PRIMARY KEY,     -- in the order in which they began
  day TEXT, file TEXT,
  start_s INTEGER                 -- since 1970
);

CREATE TABLE card(                -- a phase on a day
  day_no INTEGER, phase TEXT, place INTEGER, -- place: among the cards of its day
  dur_ns, allocs_per_s, bytes_per_s, p50_ns, p99_ns, p999_ns, max_ns, alloc_share, live_bytes, faults_per_s, gc_pauses_per_s,
  gc_share, pool_share,
  pool TEXT
);

CREATE TABLE trend(
  row_no INTEGER PRIMARY KEY, phase TEXT, figure TEXT, days INTEGER, tau REAL, p_value REAL, a_day REAL, lo REAL, hi REAL,
  first REAL, last REAL, first_text TEXT, last_text TEXT
);

CREATE TABLE outlier(
  row_no INTEGER PRIMARY KEY, day_no INTEGER, phase TEXT, figure TEXT, value REAL, expected REAL, z REAL, p_value REAL,
  value_text TEXT, expected_text TEXT
);

CREATE TABLE sentence(line_no INTEGER PRIMARY KEY, line TEXT);
CREATE TABLE note(line_no INTEGER PRIMARY KEY, line TEXT);
