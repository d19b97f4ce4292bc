-- SPDX-License-Identifier: MIT
-- Pools, by name: those that have one in common count as one.
--
-- Parameters: :limit
-- Columns: key, as in pools_rows.sql; name; op, NULL; is_slow, 0

SELECT min(pool_id) AS key, name, NULL AS op, 0 AS is_slow
FROM pool
GROUP BY name
ORDER BY key
LIMIT :limit;
