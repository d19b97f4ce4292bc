-- SPDX-License-Identifier: MIT
-- What analysis/impact/impact.c computes, and the sections of the report read. `n` numbers the names of spans, those with the
-- most time first.

DROP TABLE IF EXISTS temp.impact_site;
DROP TABLE IF EXISTS temp.impact_site_name;
DROP TABLE IF EXISTS temp.impact_span;
DROP TABLE IF EXISTS temp.impact_part;
DROP TABLE IF EXISTS temp.impact_outlier;
DROP TABLE IF EXISTS temp.impact_what_if;
DROP TABLE IF EXISTS temp.impact_corrected;
DROP TABLE IF EXISTS temp.impact_loss;
DROP TABLE IF EXISTS temp.impact_note;

-- Sites by number: those of stacks, and what is none (enum in analysis/impact/private.h).
CREATE TEMP TABLE impact_site AS
SELECT stack_id, site, dense_rank() OVER (ORDER BY site) AS site_no FROM stack_site;

CREATE TEMP TABLE impact_site_name (site_no INTEGER PRIMARY KEY, site TEXT);
INSERT INTO temp.impact_site_name
SELECT site_no, min(site) FROM temp.impact_site WHERE site_no < 65536 GROUP BY site_no;
INSERT INTO temp.impact_site_name VALUES
  (0, '[no stack]'), (65536, '[other sites]'), (65537, '[calls not kept]'), (65538, '[outside kept calls]');

CREATE TEMP TABLE impact_span (
  n INTEGER PRIMARY KEY, name TEXT, spans INTEGER, time_ns REAL,
  p50_ns INTEGER, p90_ns INTEGER, p99_ns INTEGER, p999_ns INTEGER, max_ns INTEGER
);

CREATE TEMP TABLE impact_part (     -- part: in the order of enum mp_impact_part
  n INTEGER, part INTEGER, known_spans INTEGER, time_ns REAL, share REAL, tail_share REAL
);

CREATE TEMP TABLE impact_outlier (  -- outlier: whether an allocation outlier is in them
  n INTEGER, outlier INTEGER, spans INTEGER, p50_ns INTEGER, p99_ns INTEGER
);

CREATE TEMP TABLE impact_what_if (  -- without this kind; site_no NULL: wherever it was
  n INTEGER, kind TEXT, site_no INTEGER, known_spans INTEGER, shorter_spans INTEGER,
  p50_ns INTEGER, p90_ns INTEGER, p99_ns INTEGER, p999_ns INTEGER, max_ns INTEGER
);

CREATE TEMP TABLE impact_corrected (
  n INTEGER, interval_ns INTEGER, corrected INTEGER, spans INTEGER,
  p50_ns INTEGER, p90_ns INTEGER, p99_ns INTEGER, p999_ns INTEGER, max_ns INTEGER
);

CREATE TEMP TABLE impact_loss (
  n INTEGER, kind TEXT, site_no INTEGER, spans INTEGER, late_ns REAL, cost REAL
);

CREATE TEMP TABLE impact_note (text TEXT);
