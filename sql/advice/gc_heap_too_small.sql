-- SPDX-License-Identifier: MIT
-- HotSpot's heap is nearly full of what is alive, or full collections come that nobody asked for.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'heap_too_small'
ORDER BY share DESC, runtime;
