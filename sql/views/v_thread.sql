-- SPDX-License-Identifier: MIT
-- The target's threads: one row each.
--
--   tid       as the kernel numbers it; may be used again after a thread's end
--   comm      its name when last looked at
--   start_ns  session clock: when it began, or was first seen
--   end_ns    session clock; NULL: alive at the end
--
-- Example: SELECT tid, comm FROM v_thread WHERE end_ns IS NULL

CREATE VIEW v_thread AS
SELECT tid, comm, start_ns, end_ns FROM thread;
