-- SPDX-License-Identifier: MIT
-- What the recording cost the target: one row a second and plane.
--
--   slot_ns  session clock: start of the second
--   plane    uprobe, preload: of calls; perf: of watching the kernel; markers; spans: of functions that are spans; pools,
--            gc: of functions of pools, and of points that tell of collections; recorder: what it takes itself
--   events   probe hits or kernel events handled
--   cost_ns  their CPU time in the target: events x the cost calibrated at start. Of perf: page faults at the cost of a
--            page fault, all others at that of a system call
--   mode     what of the functions was probed (record --probe): all, every call; burst, every call in windows; slow, the
--            slow paths; slow+burst. NULL, and so the rest, where there is no such choice
--   watched_ns   for so much of the second every call was watched: what was counted is of this time
--   windows      so often watching began in it
--   cpu_ns, watched_cpu_ns   CPU time of the target, the probes' included: all, and while every call was watched
--   spans, watched_spans     spans that ended: all, and while every call was watched. From both rates, what watching costs can be
--            measured, and not only estimated
--   all_cost_ns  what watching all the time would have cost, by the windows of this second; NULL: it had none
--
-- Caveats: while the kernel is watched, page faults of other processes take some time more as well, about half of what one
-- of the target's does; of `record --causes all`, so do their system calls.
-- Example: SELECT plane, sum(cost_ns) / 1e9 AS cpu_seconds FROM v_overhead GROUP BY plane

CREATE VIEW v_overhead AS
SELECT overhead.slot_ns, plane, events, cost_ns, mode, watched_ns, windows, cpu_ns, watched_cpu_ns, spans, watched_spans,
       CAST(1.0 * window_cost_ns * dur_ns / nullif(watched_ns, 0) AS INTEGER) AS all_cost_ns
FROM overhead LEFT JOIN slot USING (slot_ns);
