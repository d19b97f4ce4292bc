-- SPDX-License-Identifier: MIT
-- What pools_items.sql is compared by, slot by slot. Columns as in operations_rows.sql; weight is gets, amount1 failures,
-- amount2 and most the largest number of objects in use.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH named AS MATERIALIZED (
  SELECT pool_id, min(pool_id) OVER (PARTITION BY name) AS key FROM pool
)
SELECT key, slot_ns, NULL, NULL, gets, failures, in_use_max, in_use_max
FROM pool_use JOIN named USING (pool_id)
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns;
