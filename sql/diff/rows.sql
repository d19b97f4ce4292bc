-- SPDX-License-Identifier: MIT
-- The rows of one table of a comparison, for programs: see rows_tables.sql.
--
-- Parameters: :part :limit (-1: all)

SELECT name, op, metric, a, b, change, change_share, lo, hi, p_value, verdict
FROM diff_row WHERE part = :part
ORDER BY row_no
LIMIT :limit;
