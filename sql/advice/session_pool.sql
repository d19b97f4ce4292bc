-- SPDX-License-Identifier: MIT
-- Sites that allocate in the burst of a phase.
--
-- Speaks from, and the figures: sql/views/v_session_advice.sql. At most 5 phases, those with the largest share.

SELECT phase || ': ' || finding AS finding, 'session' AS kind, site, evidence, advice, NULL AS weight_ns, share
FROM temp.session_advice
WHERE rule = 'pool'
ORDER BY share DESC, n
LIMIT 5;
