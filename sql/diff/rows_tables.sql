-- SPDX-License-Identifier: MIT
-- Where the rows of a comparison are put to be written: a database of their own, in memory.
--
--   part                table: operations, sizes, ...
--   row_no              their order
--   name, op, metric    of what; figures have the unit that the metric's name ends in
--   a, b, change, change_share   of A, of B, b - a, and that by a
--   lo, hi              between these the change lies; NULL: not known
--   p_value             that the two are the same, corrected for all rows: significant up to 0.01
--   verdict             more less new gone same unknown; NULL: for information
--   *_text              for people

CREATE TABLE diff_row (
  part TEXT, row_no INTEGER, name TEXT, op TEXT, metric TEXT, a, b, change, change_share REAL, lo, hi, p_value REAL,
  verdict TEXT, a_text TEXT, b_text TEXT, change_text TEXT, interval_text TEXT,
  PRIMARY KEY (part, row_no)
);

CREATE TABLE diff_note (
  note_no INTEGER PRIMARY KEY,
  note TEXT
);
