-- SPDX-License-Identifier: MIT
-- Counters by name (v_counter), those by thread included.
--
-- Parameters: :limit
-- Columns: key, as in counters_rows.sql; name; op, NULL; is_slow, 0

WITH counted AS (
  SELECT DISTINCT name FROM counter
  UNION
  SELECT name FROM event WHERE event_id IN (SELECT event_id FROM thread_counter)
)
SELECT row_number() OVER (ORDER BY name) AS key, name, NULL AS op, 0 AS is_slow
FROM counted
ORDER BY key
LIMIT :limit;
