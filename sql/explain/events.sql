-- SPDX-License-Identifier: MIT
-- `explain --call`: what the kernel did to the thread of the call while it lasted, in the order of time.
--
-- Columns:
--   after_ns  from the start of the call to the event; negative: it had begun before
--   kind      as in v_kernel_event
--   dur_ns    NULL: not known
--   cpu       of a migration: where to
--   addr      the faulting address
--   ip        the faulting instruction
--
-- Caveats: not every event is kept as a row: the causes count them all.

SELECT e.t_ns - c.t_ns AS after_ns, e.kind, e.dur_ns,
       CASE WHEN e.kind = 'migration' THEN e.addr END AS cpu,
       CASE WHEN e.kind <> 'migration' THEN e.addr END AS addr, ip
FROM why_call AS c JOIN kernel_event AS e
  ON e.tid = c.tid AND e.t_ns < c.t_ns + c.dur_ns AND e.t_ns + coalesce(e.dur_ns, 0) >= c.t_ns
ORDER BY e.t_ns, event_id
LIMIT 1000;
