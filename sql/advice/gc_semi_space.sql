-- SPDX-License-Identifier: MIT
-- Scavenges of V8 that come often: its semi-spaces are small.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'semi_space'
ORDER BY share DESC, runtime;
