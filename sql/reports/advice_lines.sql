-- SPDX-License-Identifier: MIT
-- The advice for people: three lines for each finding, the one that costs most first.
--
-- Parameters: :limit (-1: all)
-- Columns: one, the line.

WITH found AS (
  SELECT *, row_number() OVER (ORDER BY rule = 'unexplained', weight_ns DESC, share DESC, rule, kind, site) AS place FROM why_advice
  ORDER BY place LIMIT :limit
)
SELECT line FROM (
  SELECT place, 1 AS part,
         CASE WHEN weight_ns IS NULL THEN printf('%d. %s (%s%s)', place, finding, kind, coalesce(' at ' || site, ''))
              ELSE printf('%d. %s (%s%s; %.1f ms)', place, finding, CASE WHEN kind IS NULL THEN 'at ' ELSE '' END,
                          coalesce(kind, site, '?'), weight_ns / 1e6) END AS line
  FROM found
  UNION ALL
  SELECT place, 2, printf('   seen: %s', evidence) FROM found
  UNION ALL
  SELECT place, 3, printf('   do:   %s', advice) FROM found
)
ORDER BY place, part;
