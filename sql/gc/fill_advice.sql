-- SPDX-License-Identifier: MIT
-- What v_gc_advice says. Of the whole recording, also where a part was asked for.

INSERT INTO temp.gc_advice
SELECT runtime, rule, finding, evidence, setting, effect, how_to_check, query, share, measure, before, predicted
FROM v_gc_advice;
