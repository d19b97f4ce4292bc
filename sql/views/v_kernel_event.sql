-- SPDX-License-Identifier: MIT
-- What the kernel did to the target's threads.
--
--   t_ns    session clock: start
--   tid
--   kind    minor_fault major_fault off_cpu migration
--   dur_ns  NULL: not known
--   addr    the faulting address; the new CPU of a migration
--   ip      the faulting instruction
--
-- Caveats: not every event is kept as a row; v_counter has their exact number.
-- Example: SELECT kind, count(*), max(dur_ns) FROM v_kernel_event GROUP BY kind

CREATE VIEW v_kernel_event AS
SELECT t_ns, tid, kind, dur_ns, addr, ip FROM kernel_event;
