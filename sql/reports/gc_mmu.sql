-- SPDX-License-Identifier: MIT
-- What pauses leave to the program: minimum mutator utilization (Cheng and Blelloch, PLDI 2001), exact.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   window_ns  of all windows of this length,
--   mmu_share  the least that was left to the program in one
--   pause_ns   in that one, pauses, of all runtimes together
--   t_ns       where it begins, since the start of the recording
--
-- Windows that are longer than what is looked at are left out.

SELECT window_ns, mmu AS mmu_share, pause_ns, t_ns - :start_ns AS t_ns FROM temp.gc_mmu ORDER BY window_ns;
