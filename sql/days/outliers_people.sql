-- SPDX-License-Identifier: MIT
-- outliers.sql for people.
--
-- Parameters: :limit (-1: all)

SELECT day, phase, figure, value_text AS value, expected_text AS expected, value / nullif(expected, 0) AS factor, z, p_value
FROM outlier JOIN day USING (day_no)
ORDER BY row_no
LIMIT :limit;
