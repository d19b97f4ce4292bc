-- SPDX-License-Identifier: MIT
-- What operations_items.sql is compared by. Columns as analysis/diff/items.c reads them: key, t_ns, bucket, dur_ns, weight,
-- amount1 (bytes), amount2 (ns), most (ns). Histograms tell durations by buckets, sums the rest.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

SELECT op_id, slot_ns, bucket, NULL, calls, 0, 0, 0 FROM latency
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
UNION ALL
SELECT op_id, slot_ns, NULL, NULL, calls, bytes, sum_ns, max_ns FROM latency_sum
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns;
