-- SPDX-License-Identifier: MIT
-- Spans: pieces of work that the program marks from begin to end (MPSAMPLE_SPAN_BEGIN and _END). Only whole ones:
-- how many had no end or no begin while it was recorded is in v_counter (span_begin_without_end,
-- span_end_without_begin).
--
--   name    as the program calls it; cut to 47 bytes
--   id      the program's own: begin and end of one span agree in it. The unsigned number as a signed one
--   tid     the thread that began it; another one may have ended it
--   t_ns    session clock: begin
--   dur_ns  to its end; by the uprobe plane with what one of its probes takes (about half a microsecond)
--
-- Example: SELECT name, count(*), max(dur_ns) FROM v_span GROUP BY name

CREATE VIEW v_span AS
SELECT name, id, tid, t_ns, dur_ns FROM span;
