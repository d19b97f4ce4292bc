-- SPDX-License-Identifier: MIT
-- What sizes_items.sql is compared by. Columns as in operations_rows.sql.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

SELECT op_id * 64 + size_class, slot_ns, bucket, NULL, calls, 0, 0, 0 FROM latency
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
UNION ALL
SELECT op_id * 64 + size_class, slot_ns, NULL, NULL, calls, bytes, sum_ns, max_ns FROM latency_sum
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns;
