-- SPDX-License-Identifier: MIT
-- A class of objects that takes much of what a JVM gives out: without half of it eden fills later.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'top_class'
ORDER BY share DESC, runtime;
