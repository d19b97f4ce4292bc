-- SPDX-License-Identifier: MIT
-- Live bytes over the time at a glance: a character a step.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   t_ns         end of the first step, since the start of the recording
--   step_ns
--   most_bytes   at the end of the step that has most
--   strip        a digit d: at the end of the step d tenths of that live, and less than d + 1; '.': nothing
--
-- Reads temporary tables of analysis/heap/heap.h.

WITH most AS (SELECT max(live_bytes) AS bytes FROM temp.heap_step), step AS (
  SELECT n, t_ns, step_ns, live_bytes FROM temp.heap_step ORDER BY n
)
SELECT min(t_ns) - :start_ns AS t_ns, max(step_ns) AS step_ns, CAST(round(bytes) AS INTEGER) AS most_bytes,
       group_concat(CASE WHEN live_bytes <= 0 THEN '.' ELSE min(9, CAST(10 * live_bytes / bytes AS INTEGER)) END, '') AS strip
FROM step, most
HAVING count(*) > 0;
