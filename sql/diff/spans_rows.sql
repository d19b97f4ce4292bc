-- SPDX-License-Identifier: MIT
-- What spans_items.sql is compared by: each span. Columns as in operations_rows.sql.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH named AS MATERIALIZED (
  SELECT name, min(span_id) AS key FROM span GROUP BY name
)
SELECT key, t_ns, NULL, dur_ns, 1, 0, dur_ns, dur_ns
FROM span JOIN named USING (name)
WHERE t_ns >= :from_ns AND t_ns < :to_ns;
