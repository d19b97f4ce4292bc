-- SPDX-License-Identifier: MIT
-- The rows of one table of a comparison, for people.
--
-- Parameters: :part :limit (-1: all) :changed (1: only those that differ beyond chance, the surest first; NULL: all)

SELECT iif(op IS NULL, name, name || '/' || op) AS name, metric AS figure, a_text AS a, b_text AS b, change_text AS change, interval_text AS "between",
       p_value, coalesce(verdict, '-') AS verdict
FROM diff_row
WHERE part = :part AND (:changed IS NULL OR verdict IN ('more', 'less', 'new', 'gone'))
ORDER BY CASE WHEN :changed THEN p_value END, CASE WHEN :changed THEN -abs(change_share) END, row_no
LIMIT :limit;
