-- SPDX-License-Identifier: MIT
-- Phases of the trading session: at any time the whole process is in one, or in none before the first.
--
--   name      cut to 47 bytes
--   start_ns  session clock
--   end_ns    where the next one begins; NULL: it lasted to the end of the recording
--   source    marker: MPSAMPLE_PHASE
--
-- Example: SELECT p.name, count(*) FROM v_phase p JOIN v_call c ON c.t_ns >= p.start_ns
--          AND (p.end_ns IS NULL OR c.t_ns < p.end_ns) GROUP BY p.phase_id

CREATE VIEW v_phase AS
SELECT phase_id, name, start_ns, end_ns, source FROM phase;
