-- SPDX-License-Identifier: MIT
-- For other views and reports: the calls of each slot and operation that was called at all, also of slots without any.
--
--   slot_ns, dur_ns  the slot
--   op_id
--   watched_ns       for so much of it calls of the operation were counted: of slow paths (op_id 32 and more) all or nothing,
--                    and slots in which they were not probed are left out
--   calls

CREATE VIEW slot_calls AS
WITH counted AS (
  SELECT slot_ns, op_id, sum(calls) AS calls FROM latency_sum GROUP BY slot_ns, op_id
), watched AS (
  SELECT slot.slot_ns, dur_ns, mode LIKE 'slow%' OR mode = 'mixed' AS sees_slow,
         coalesce(min(watched_ns, dur_ns), dur_ns) AS watched_ns
  FROM slot LEFT JOIN (SELECT slot_ns, mode, watched_ns FROM overhead WHERE mode IS NOT NULL) USING (slot_ns)
)
SELECT w.slot_ns, w.dur_ns, o.op_id, CASE WHEN o.op_id < 32 THEN w.watched_ns ELSE w.dur_ns END AS watched_ns,
       coalesce(c.calls, 0) AS calls
FROM (SELECT DISTINCT op_id FROM counted) AS o
JOIN watched AS w ON o.op_id < 32 OR w.sees_slow
LEFT JOIN counted AS c ON c.slot_ns = w.slot_ns AND c.op_id = o.op_id;
