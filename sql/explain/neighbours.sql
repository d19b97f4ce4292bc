-- SPDX-License-Identifier: MIT
-- `explain --call`: the other slow calls, of all threads, that were under way within 1 ms of the call.
--
-- Columns:
--   call_id
--   after_ns     from the start of the call to that of this one; negative: it began before
--   tid, op, dur_ns
--   cause        the largest, as in v_outlier
--   cause_ns, site

SELECT o.call_id, o.t_ns - c.t_ns AS after_ns, o.tid, o.op, o.dur_ns, o.cause, o.cause_ns, o.site
FROM why_call AS c JOIN v_outlier AS o
  ON o.call_id <> c.call_id AND o.t_ns < c.t_ns + c.dur_ns + 1000000 AND o.t_ns + o.dur_ns > c.t_ns - 1000000
ORDER BY o.t_ns, o.call_id
LIMIT 1000;
