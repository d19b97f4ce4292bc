-- SPDX-License-Identifier: MIT
-- The operations by size class, as operations_items.sql; those without a size (free, delete) are not among them.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :limit
-- Columns: key, as in sizes_rows.sql; name, the bytes of the size class; op; is_slow

WITH used AS (
  SELECT op_id, size_class, sum(calls) AS calls, max(bytes) AS bytes FROM latency_sum
  WHERE slot_ns >= :from_ns AND slot_ns < :to_ns GROUP BY op_id, size_class
)
SELECT op_id * 64 + size_class AS key,
       CASE WHEN hi_bytes >= 9223372036854775807 THEN 'from ' || lo_bytes ELSE lo_bytes || '-' || hi_bytes END AS name,
       op.name AS op, op_id >= 32 AS is_slow
FROM used JOIN op USING (op_id) JOIN size_class USING (size_class)
WHERE op_id IN (SELECT op_id FROM used WHERE bytes > 0)
ORDER BY calls DESC, key
LIMIT :limit;
