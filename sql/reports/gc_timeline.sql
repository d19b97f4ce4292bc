-- SPDX-License-Identifier: MIT
-- How much of the time was paused, over the recording: a character a step.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   t_ns      of the first step, since the start of the recording
--   step_ns
--   worst_share, worst_t_ns   the step that was paused most
--   strip     '.' no pause, '-' less than 0.1 % of the step; a digit d: 0.1 % times 2^d or more, 9: 51 % or more

WITH step AS (
  SELECT *, 1000.0 * pause_ns / step_ns AS thousandths FROM temp.gc_step ORDER BY n
)
SELECT min(t_ns) - :start_ns AS t_ns, max(step_ns) AS step_ns, max(thousandths) / 1000 AS worst_share,
       (SELECT t_ns FROM step ORDER BY thousandths DESC, n LIMIT 1) - :start_ns AS worst_t_ns,
       group_concat(CASE WHEN pause_ns = 0 THEN '.' WHEN thousandths < 1 THEN '-'
                         ELSE (thousandths >= 2) + (thousandths >= 4) + (thousandths >= 8) + (thousandths >= 16)
                              + (thousandths >= 32) + (thousandths >= 64) + (thousandths >= 128) + (thousandths >= 256)
                              + (thousandths >= 512) END, '') AS strip
FROM step
HAVING count(*) > 0;
