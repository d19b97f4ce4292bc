-- SPDX-License-Identifier: MIT
-- Private: the kept calls that are summed, in the order of call_id (analysis/explain/why.c).

SELECT call_id, dur_ns, stack_id, op_id, size_bytes, weight, kept
FROM call
WHERE t_ns >= :from_ns AND t_ns < :to_ns
  AND (:tid IS NULL OR tid = :tid)
  AND (:op IS NULL OR op_id = (SELECT op_id FROM op WHERE name = :op))
ORDER BY call_id;
