-- SPDX-License-Identifier: MIT
-- The advice for people: some lines for each finding, as session_advice.sql orders them; at most 8.
--
-- Columns: one, the line.

WITH found AS (
  SELECT a.*, p.name, row_number() OVER (ORDER BY saves_ns IS NULL, saves_ns * 1.0 / (end_ns - start_ns) DESC, saves_bytes DESC, n, rule) AS place
  FROM temp.session_advice AS a JOIN temp.session_phase AS p USING (n)
)
SELECT line FROM (
  SELECT 0 AS place, 0 AS part, 'What to change' AS line WHERE EXISTS (SELECT 1 FROM found)
  UNION ALL SELECT place, 1, printf('%d. %s: %s', place, name, finding) FROM found
  UNION ALL SELECT place, 2, '   seen:   ' || evidence FROM found
  UNION ALL SELECT place, 3, '   do:     ' || advice FROM found
  UNION ALL SELECT place, 4, '   brings: ' || CASE WHEN saves_ns IS NOT NULL THEN printf('up to %.1f ms less in this phase', saves_ns / 1e6)
                                                  ELSE printf('up to %.1f MiB', saves_bytes / 1048576.0) END FROM found
)
WHERE place <= 8
ORDER BY place, part;
