-- SPDX-License-Identifier: MIT
-- Phases of the trading session, by start or not. Those of a calendar may lie in one another and overlap; of those of one
-- of the other sources there is at most one at any time.
--
--   name      cut to 47 bytes
--   start_ns  session clock; of a phase that was on when the recording began, that begin
--   end_ns    exclusive; NULL: it lasted to the end of the recording. Of marks and markers, where the next one begins
--   source    calendar: record --phases; mark: mpsample mark --phase; marker: MPSAMPLE_PHASE
--
-- Slots (v_slot) end where phases of a calendar or of marks begin and end: v_latency of the slots in
-- [start_ns, end_ns) has exactly the calls that began then. Not so of markers.
--
-- Example: SELECT p.name, count(*) FROM v_phase p JOIN v_call c ON c.t_ns >= p.start_ns
--          AND (p.end_ns IS NULL OR c.t_ns < p.end_ns) GROUP BY p.phase_id

CREATE VIEW v_phase AS
SELECT phase_id, name, start_ns, end_ns, source FROM phase;
