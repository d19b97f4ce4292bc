-- SPDX-License-Identifier: MIT
-- What counters_items.sql is compared by, slot by slot; of an event that is sampled and counted, what was counted (v_counter).
-- Columns as in operations_rows.sql; weight is the value.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH counted AS (
  SELECT DISTINCT name FROM counter
  UNION
  SELECT name FROM event WHERE event_id IN (SELECT event_id FROM thread_counter)
), numbered AS MATERIALIZED (
  SELECT name, row_number() OVER (ORDER BY name) AS key FROM counted
)
SELECT key, slot_ns, NULL, NULL, value, 0, 0, 0
FROM v_counter JOIN numbered USING (name)
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns;
