-- SPDX-License-Identifier: MIT
-- Spans: pieces of work from begin to end: what the program marks (MPSAMPLE_SPAN_BEGIN and _END), and calls of the
-- functions that `record --spans` named. Only whole ones:
-- how many had no end or no begin while it was recorded is in v_counter (span_begin_without_end,
-- span_end_without_begin).
--
--   span_id
--   name         as the program calls it, cut to 47 bytes; or the function, without parameters
--   id           the program's own: begin and end of one span agree in it. The unsigned number as a signed one
--   tid          the thread that began it; another one may have ended it
--   t_ns         session clock: begin
--   dur_ns       to its end. Of markers by the uprobe plane with what one of its probes takes (about half a microsecond); of
--                functions the floor is subtracted, but what is probed inside one makes it longer
--   alloc_ns     of dur_ns, the time in allocation calls of its thread, every one counted
--   alloc_calls  how many; by the uprobe plane each of them makes dur_ns longer by what its probes cost (v_session,
--                key 'cost_ns')
--   fault_ns     of dur_ns, the time in page faults of its thread, inside allocation calls or not
--   off_cpu_ns   of dur_ns, the time in which its thread did not run: other threads ran, it slept, it was stopped
--   gc_ns        of dur_ns, the time in which a garbage collector stopped the process
--                These are NULL where they are not known: the thread that ended a span is another one, the kernel's
--                events could not be seen, no collector was recorded
--
-- Caveats: where `record --max-size` needed room, each span had the same chance to stay (v_thinned).
-- Example: SELECT name, count(*), max(dur_ns) FROM v_span GROUP BY name

CREATE VIEW v_span AS
SELECT span_id, name, id, tid, t_ns, dur_ns, alloc_ns, alloc_calls, fault_ns, off_cpu_ns, gc_ns FROM span;
