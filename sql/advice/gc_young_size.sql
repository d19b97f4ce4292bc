-- SPDX-License-Identifier: MIT
-- Young collections of HotSpot that come often: eden fills at the allocation rate, so its size sets the rate of pauses.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'young_size'
ORDER BY share DESC, runtime;
