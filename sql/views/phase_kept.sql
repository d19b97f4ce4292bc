-- SPDX-License-Identifier: MIT
-- Private: kept calls that give memory out, by phase. Not part of the public views.
--
--   phase_id
--   stack_id
--   calls, time_ns  that a kept call stands for

CREATE VIEW phase_kept AS
SELECT phase_id, stack_id, weight AS calls, 1.0 * weight * dur_ns AS time_ns
FROM phase CROSS JOIN call
  ON t_ns >= start_ns AND t_ns < coalesce(end_ns, 9223372036854775807)
WHERE op_id < 32 AND op_id NOT IN (SELECT op_id FROM op WHERE name IN ('free', 'delete'));
