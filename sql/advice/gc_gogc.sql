-- SPDX-License-Identifier: MIT
-- Go's collector runs often: the goal of the heap is close to what is alive.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'gogc'
ORDER BY share DESC, runtime;
