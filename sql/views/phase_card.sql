-- SPDX-License-Identifier: MIT
-- Private: what v_session_advice weighs of each phase. Not part of the public views.
--
--   phase_id, name, start_ns, end_ns  v_phase; end_ns of one that did not end is that of the recording
--   covered_ns   by slots whose middle is in it, and of these the time in which every call was watched
--   allocs       calls that give memory out, exact, and how long they took
--   alloc_ns

CREATE VIEW phase_card AS
WITH asked AS MATERIALIZED (
  SELECT slot_ns, total(calls) AS calls, total(sum_ns) AS sum_ns
  FROM latency_sum
  WHERE op_id < 32 AND op_id NOT IN (SELECT op_id FROM op WHERE name IN ('free', 'delete'))
  GROUP BY slot_ns
), told AS MATERIALIZED (
  SELECT phase_id, name, start_ns, coalesce(phase.end_ns, session_time.end_ns) AS end_ns FROM phase CROSS JOIN (SELECT end_ns FROM session_time) AS session_time
)
SELECT phase_id, name, start_ns, end_ns, total(coalesce(min(watched_ns, dur_ns), dur_ns)) AS covered_ns, total(calls) AS allocs,
       total(sum_ns) AS alloc_ns
FROM told CROSS JOIN slot
  ON slot.slot_ns >= coalesce((SELECT max(s.slot_ns) FROM slot AS s WHERE s.slot_ns <= start_ns), start_ns) AND slot.slot_ns < end_ns
     AND slot.slot_ns + dur_ns / 2 >= start_ns AND slot.slot_ns + dur_ns / 2 < end_ns
LEFT JOIN asked ON asked.slot_ns = slot.slot_ns
LEFT JOIN overhead AS o ON o.slot_ns = slot.slot_ns AND mode IS NOT NULL
GROUP BY phase_id;
