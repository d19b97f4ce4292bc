-- SPDX-License-Identifier: MIT
-- Collections that the program asks for: System.gc().
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'explicit'
ORDER BY share DESC, runtime;
