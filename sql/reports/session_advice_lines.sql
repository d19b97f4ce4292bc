-- SPDX-License-Identifier: MIT
-- The advice for people: some lines for each finding, in the order of session_advice.sql; what is found in several phases is
-- said once, of the first of them, and where else.
--
-- Columns: one, the line.

WITH found AS (
  SELECT a.*, CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
                   THEN p.name || '#' || nth ELSE p.name END AS name,
         CASE WHEN saves_ns IS NOT NULL THEN printf('%.1f ms', saves_ns / 1e6) ELSE printf('%.1f MiB', saves_bytes / 1048576.0) END AS saves,
         row_number() OVER (ORDER BY saves_ns IS NULL, saves_ns * 1.0 / (end_ns - start_ns) DESC, saves_bytes DESC, n, rule) AS nth_found
  FROM temp.session_advice AS a JOIN temp.session_phase AS p USING (n)
), told AS (
  -- With min() the other columns are those of the row that has it.
  SELECT rule, finding, name, evidence, advice, saves, saves_ns, min(nth_found) AS nth_found FROM found GROUP BY rule, finding
), placed AS (
  SELECT *, row_number() OVER (ORDER BY nth_found) AS place,
         (SELECT group_concat(also.name || ' ' || also.saves, ', ')
          FROM (SELECT name, saves FROM found WHERE found.rule = told.rule AND found.finding = told.finding AND found.nth_found > told.nth_found
                ORDER BY nth_found LIMIT 8) AS also) AS elsewhere
  FROM told
)
SELECT line FROM (
  SELECT 0 AS place, 0 AS part, 'What to change' AS line WHERE EXISTS (SELECT 1 FROM placed)
  UNION ALL SELECT place, 1, printf('%d. %s: %s', place, name, finding) FROM placed
  UNION ALL SELECT place, 2, '   seen:   ' || evidence FROM placed
  UNION ALL SELECT place, 3, '   do:     ' || advice FROM placed
  UNION ALL SELECT place, 4, '   brings: up to ' || saves || CASE WHEN saves_ns IS NOT NULL THEN ' less in this phase' ELSE '' END
                             || coalesce('; in ' || elsewhere, '') FROM placed
  UNION ALL SELECT 8, 5, printf('%d more: --table advice', count(*) - 8) FROM placed HAVING count(*) > 8
)
WHERE place <= 8
ORDER BY place, part;
