-- SPDX-License-Identifier: MIT
-- Why kept calls took as long as they did: for each call its duration, divided. The rows of a call add up to its dur_ns,
-- and one of them is `unexplained`.
--
--   call_id  v_call
--   kind     minor_fault major_fault  page faults: served from memory, or from a file or swap
--            thp                      page faults that were given a huge page
--            syscall:<name>           inside a system call: asleep, or holding the lock of the address space, as munmap does
--                                     while it works (of `record --causes all`, at whatever)
--            lock                     inside a futex wait: another thread held a lock of the allocator
--            off_cpu                  ready to run, and another thread ran instead
--            stopped                  stopped by a signal, a debugger or the cgroup freezer
--            migration                moved to another CPU, until it ran there
--            irq softirq              interrupts, and the work that they leave behind
--            mmap_lock                waiting for the lock of the process's address space
--            gc                       stopped by a garbage collector
--            cache                    cache misses
--            hiccup                   unexplained, and a control thread of the recorder was stalled at the same time
--            unexplained              nothing of the above is known
--   dur_ns   by this alone: time in a page fault in which an interrupt came is divided between the two
--   n        how often; of unexplained and hiccup 1
--   detail   off_cpu, migration: the thread that ran longest instead, "ran: NAME/TID" (mpsample itself: "the recorder");
--            irq: the vector or line and the CPU; else NULL
--
-- Caveats: a call of which nothing is known is one row, unexplained; so are all calls where the kernel's events could not
-- be seen (v_session, key 'causes').
-- Example: SELECT kind, sum(v_cause.dur_ns) FROM v_cause JOIN v_call USING (call_id) WHERE kept = 'outlier' GROUP BY kind

CREATE VIEW v_cause AS
SELECT call_id, kind, dur_ns, n, detail FROM cause
UNION ALL
SELECT call_id, 'unexplained', dur_ns, 1, NULL FROM call
WHERE NOT EXISTS (SELECT 1 FROM cause WHERE cause.call_id = call.call_id);
