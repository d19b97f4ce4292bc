-- SPDX-License-Identifier: MIT
-- Exact counts by second.
--
--   slot_ns      session clock: start of the second, or longer slot (v_slot)
--   name, value  how often in that second. Of an event that is sampled and counted, what was counted
--   tid          of what is counted by thread (record --count); NULL: of the process
--   enabled_ns, running_ns
--                of those: so long the counter was wanted, and so long it had a place in the hardware. Where these
--                differ, `value` is scaled up. NULL: counted without a break
--
-- Example: SELECT name, sum(value) FROM v_counter GROUP BY name

CREATE VIEW v_counter AS
SELECT slot_ns, name, value, NULL AS tid, NULL AS enabled_ns, NULL AS running_ns FROM counter
UNION ALL
SELECT slot_ns, name, value, tid, enabled_ns, running_ns FROM thread_counter JOIN event USING (event_id)
WHERE NOT (is_sampled AND EXISTS (SELECT 1 FROM event AS e WHERE e.name = event.name AND NOT e.is_sampled));
