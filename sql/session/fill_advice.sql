-- SPDX-License-Identifier: MIT
-- What v_session_advice says. Of the whole recording, also where a part was asked for.

INSERT INTO temp.session_advice
SELECT phase_id, phase, rule, site, saves_ns, saves_bytes, share, finding, evidence, advice, query
FROM v_session_advice;
