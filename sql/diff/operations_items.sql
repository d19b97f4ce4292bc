-- SPDX-License-Identifier: MIT
-- The operations that were called, for a comparison.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :limit
-- Columns: key, as in operations_rows.sql; name; op, here NULL; is_slow, 1: a slow path, counted while these were probed

SELECT op_id AS key, name, NULL AS op, op_id >= 32 AS is_slow
FROM op
WHERE EXISTS (SELECT 1 FROM latency_sum WHERE latency_sum.op_id = op.op_id AND slot_ns >= :from_ns AND slot_ns < :to_ns)
ORDER BY op_id
LIMIT :limit;
