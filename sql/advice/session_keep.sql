-- SPDX-License-Identifier: MIT
-- Phases in which memory goes to the kernel and comes back.
--
-- Speaks from, and the figures: sql/views/v_session_advice.sql. At most 5 phases, those with the largest share.

SELECT phase || ': ' || finding AS finding, 'session' AS kind, site, evidence, advice, NULL AS weight_ns, share
FROM temp.session_advice
WHERE rule = 'keep'
ORDER BY share DESC, n
LIMIT 5;
