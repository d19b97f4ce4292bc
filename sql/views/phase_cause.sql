-- SPDX-License-Identifier: MIT
-- Private: what the time of kept calls went to, by phase, of what costs most where memory is short or new. Not part of the public
-- views.
--
--   phase_id
--   kind            as in v_cause: faults, and the system calls that take memory from the kernel and give it back
--   times, time_ns  that a row of it stands for

CREATE VIEW phase_cause AS
SELECT phase_id, kind, weight * n AS times, 1.0 * weight * cause.dur_ns AS time_ns
FROM cause CROSS JOIN call USING (call_id) CROSS JOIN phase
  ON t_ns >= start_ns AND t_ns < coalesce(end_ns, 9223372036854775807)
WHERE kind IN ('minor_fault', 'major_fault', 'thp', 'syscall:mmap', 'syscall:munmap', 'syscall:brk', 'syscall:mremap', 'syscall:madvise');
