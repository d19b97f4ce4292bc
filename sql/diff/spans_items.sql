-- SPDX-License-Identifier: MIT
-- Spans by name, the most frequent first.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :limit
-- Columns: key, as in spans_rows.sql; name; op, NULL; is_slow, 0

SELECT min(span_id) AS key, name, NULL AS op, 0 AS is_slow
FROM span
GROUP BY name
ORDER BY count(*) DESC, key
LIMIT :limit;
