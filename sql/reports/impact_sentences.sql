-- SPDX-License-Identifier: MIT
-- What would help the most, in words: of each name what shortens its p99 the most, then the next best, five in all.
--
-- Columns:
--   sentence  order p99 would be 41.0 us instead of 63.0 us without minor_fault at OrderBook::insert
--
-- Caveats: those of impact_what_if.sql. Gains below 1 % are not told. Of fewer than 100 spans the slowest takes the
-- place of the p99.

WITH gain AS (
  SELECT n, name, kind, site,
         CASE WHEN spans >= 100 THEN 'p99' ELSE 'slowest' END AS which,
         CASE WHEN spans >= 100 THEN s.p99_ns ELSE s.max_ns END AS was_ns,
         CASE WHEN spans >= 100 THEN w.p99_ns ELSE w.max_ns END AS would_be_ns
  FROM temp.impact_what_if w JOIN temp.impact_span s USING (n) LEFT JOIN temp.impact_site_name USING (site_no)
), strongest AS (
  SELECT *, row_number() OVER (PARTITION BY n ORDER BY would_be_ns, site IS NULL, kind, site) AS place
  FROM gain WHERE was_ns - would_be_ns >= 0.01 * was_ns AND was_ns > would_be_ns
), told AS (
  SELECT * FROM strongest ORDER BY place, 1.0 * would_be_ns / was_ns, n LIMIT 5
)
SELECT sentence FROM (
  SELECT 1 AS part, 1.0 * would_be_ns / was_ns AS left_share, place,
         name || ' ' || which || ' would be ' || mp_duration(would_be_ns) || ' instead of ' || mp_duration(was_ns)
         || CASE WHEN site IS NOT NULL THEN ' without ' || kind || ' at ' || site
                 WHEN kind = 'alloc'   THEN ' if every allocation in it took its site''s median'
                 WHEN kind = 'fault'   THEN ' without page faults'
                 WHEN kind = 'off_cpu' THEN ' without time off the CPU'
                 WHEN kind = 'gc'      THEN ' without pauses of the garbage collector' END AS sentence
  FROM told
  UNION ALL
  SELECT 2, cost, n, name || ' lost ' || printf('%.2f', total(cost)) || ' by being late'
  FROM temp.impact_loss JOIN temp.impact_span USING (n) GROUP BY n
  UNION ALL
  SELECT 3, 0, 0, text FROM temp.impact_note
)
ORDER BY part, left_share, place;
