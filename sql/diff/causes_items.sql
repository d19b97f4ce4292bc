-- SPDX-License-Identifier: MIT
-- The kinds of causes (v_cause).
--
-- Parameters: :limit
-- Columns: key, as in causes_rows.sql; name; op, NULL; is_slow, 0

WITH kind AS (
  SELECT DISTINCT kind FROM cause UNION SELECT 'unexplained'
)
SELECT dense_rank() OVER (ORDER BY kind) AS key, kind AS name, NULL AS op, 0 AS is_slow
FROM kind
ORDER BY key
LIMIT :limit;
