-- SPDX-License-Identifier: MIT
-- A collector of HotSpot that stops the threads for longer than another one would.
--
-- Speaks from, and the figures: sql/views/v_gc_advice.sql.

SELECT finding, 'gc' AS kind, NULL AS site, runtime || ': ' || evidence AS evidence,
       setting || '. ' || effect || '. ' || how_to_check AS advice, NULL AS weight_ns, share
FROM temp.gc_advice
WHERE rule = 'collector'
ORDER BY share DESC, runtime;
