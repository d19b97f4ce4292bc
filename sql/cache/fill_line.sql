-- SPDX-License-Identifier: MIT
-- Private: which of the lines in cache_access are shared, and how (tables.sql). Two threads share a line where one of
-- them writes: truly, if the other touches a byte that it writes; falsely, if they never meet at one. Objects that were
-- there one after the other are not shared. Of a line, the 64 accesses with the most samples are looked at.

INSERT INTO cache_line
WITH ranked AS (
  SELECT a.*, coalesce(born_ns, -9223372036854775807) AS born_ns, coalesce(died_ns, 9223372036854775807) AS died_ns,
         row_number() OVER (PARTITION BY line ORDER BY samples DESC, byte, a.tid) AS nth
  FROM cache_access AS a LEFT JOIN object USING (object_id)
), few AS MATERIALIZED (
  SELECT * FROM ranked WHERE nth <= 64
), pair AS (
  SELECT w.line, max(w.byte = o.byte) AS is_true
  FROM few AS w JOIN few AS o ON o.line = w.line AND o.tid <> w.tid
  WHERE w.is_write AND w.born_ns < o.died_ns AND o.born_ns < w.died_ns
  GROUP BY w.line, min(w.tid, o.tid), max(w.tid, o.tid)
), shared AS (
  SELECT line, CASE WHEN min(is_true) THEN 'true' WHEN max(is_true) THEN 'both' ELSE 'false' END AS kind
  FROM pair GROUP BY line
), whole AS (
  -- With max() the column where_no is of the row that has it.
  SELECT line, where_no, max(at_where), CAST(total(samples) AS INTEGER) AS samples,
         CAST(total(cost) AS INTEGER) AS cost, CAST(total(other_cache) AS INTEGER) AS other_cache
  FROM (SELECT line, where_no, total(samples) AS at_where, total(samples) AS samples, total(cost) AS cost,
               total(other_cache) AS other_cache
        FROM cache_access GROUP BY line, where_no)
  GROUP BY line
)
SELECT line, kind, where_no, samples, cost, other_cache
FROM shared JOIN whole USING (line);
