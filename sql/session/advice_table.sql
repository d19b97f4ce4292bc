-- SPDX-License-Identifier: MIT
-- Temporary table of report session and report advice: what v_session_advice says, in the first by the phases of session_phase.

DROP TABLE IF EXISTS temp.session_advice;

CREATE TEMP TABLE session_advice(
  n,                       -- phase_id; of report session that of session_phase
  phase, rule, site, saves_ns, saves_bytes, share, finding, evidence, advice, query
);
