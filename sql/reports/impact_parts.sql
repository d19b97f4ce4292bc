-- SPDX-License-Identifier: MIT
-- What the time of spans was spent in.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   name
--   part         alloc: in allocation calls; fault: in page faults; off_cpu: the thread did not run; gc: stopped by a
--                garbage collector. As in v_span: exact, every call is counted
--   known_spans  spans that tell it: the figures are of these
--   time_ns      all of them together; NULL: of none is it known
--   share        of their time
--   tail_share   of the time of those at or above the p99 of the name; NULL also where none of these tells it
--
-- Caveats: parts overlap: a page fault may be in an allocation, and a thread may sleep in both.

SELECT name, CASE part WHEN 0 THEN 'alloc' WHEN 1 THEN 'fault' WHEN 2 THEN 'off_cpu' WHEN 3 THEN 'gc' END AS part,
       known_spans, CAST(impact_part.time_ns AS INTEGER) AS time_ns, share, tail_share
FROM temp.impact_part JOIN temp.impact_span USING (n)
ORDER BY n, impact_part.part
LIMIT :limit;
