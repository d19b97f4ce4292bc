-- SPDX-License-Identifier: MIT
-- `explain --call`: the other slow calls, of all threads, that were under way within 1 ms of the call.
--
-- Columns:
--   call_id
--   after_ns     from the start of the call to that of this one; negative: it began before
--   tid, op, dur_ns
--   cause, site  as in v_outlier

SELECT o.call_id, o.t_ns - (SELECT t_ns FROM why_call) AS after_ns, o.tid, o.op, o.dur_ns, o.cause, o.site
FROM v_outlier AS o
WHERE o.t_ns < (SELECT t_ns + dur_ns + 1000000 FROM why_call)
  AND o.t_ns + o.dur_ns > (SELECT t_ns - 1000000 FROM why_call)
  AND o.call_id <> (SELECT call_id FROM why_call)
ORDER BY o.t_ns, o.call_id
LIMIT 1000;
