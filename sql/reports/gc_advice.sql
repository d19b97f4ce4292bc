-- SPDX-License-Identifier: MIT
-- What to change: v_gc_advice.
--
-- Parameters: :limit (-1: all)
-- Columns: as those of v_gc_advice.

SELECT runtime, rule, finding, evidence, setting, effect, how_to_check, query, share, measure, before, predicted
FROM temp.gc_advice
ORDER BY share DESC, runtime, rule
LIMIT :limit;
