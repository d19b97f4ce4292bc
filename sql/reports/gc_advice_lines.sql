-- SPDX-License-Identifier: MIT
-- The advice for people: some lines for each finding.
--
-- Columns: one, the line.

WITH found AS (
  SELECT *, row_number() OVER (ORDER BY share DESC, runtime, rule) AS place FROM temp.gc_advice
)
SELECT line FROM (
  SELECT 0 AS place, 0 AS part, 'What to change' AS line WHERE EXISTS (SELECT 1 FROM found)
  UNION ALL SELECT place, 1, printf('%d. %s: %s', place, runtime, finding) FROM found
  UNION ALL SELECT place, 2, '   seen:   ' || evidence FROM found
  UNION ALL SELECT place, 3, '   do:     ' || setting FROM found
  UNION ALL SELECT place, 4, '   brings: ' || effect FROM found
  UNION ALL SELECT place, 5, '   check:  ' || how_to_check FROM found
)
ORDER BY place, part;
