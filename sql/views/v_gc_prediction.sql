-- SPDX-License-Identifier: MIT
-- When the next pause of a runtime was expected, as it was known at the time, and when it came.
--
--   made_ns       the prediction was made, session clock
--   runtime       v_gc
--   kind          of the pause that is meant, or several words of which it is one; '': any
--   due_ns        expected then; lo_ns, hi_ns: between these with probability `coverage`
--   actual_ns     when it did begin; NULL: not before the recording ended
--   since_ns      when the one before it had begun; NULL: none had
--   error         (due_ns - actual_ns) / (actual_ns - made_ns): relative to the time that was left
--
-- Example: SELECT avg(abs(error)), avg(actual_ns BETWEEN lo_ns AND hi_ns) FROM v_gc_prediction

CREATE VIEW v_gc_prediction AS
WITH p AS (
  SELECT made_ns, runtime, kind, due_ns, lo_ns, hi_ns, coverage,
    (SELECT min(t_ns) FROM gc WHERE t_ns > made_ns AND is_pause AND gc.runtime = q.runtime
      AND (q.kind = '' OR instr(' ' || q.kind || ' ', ' ' || gc.kind || ' '))) AS actual_ns,
    (SELECT max(t_ns) FROM gc WHERE t_ns <= made_ns AND is_pause AND gc.runtime = q.runtime
      AND (q.kind = '' OR instr(' ' || q.kind || ' ', ' ' || gc.kind || ' '))) AS since_ns
  FROM gc_prediction q)
SELECT made_ns, runtime, kind, due_ns, lo_ns, hi_ns, coverage, actual_ns, since_ns,
  1.0 * (due_ns - actual_ns) / (actual_ns - made_ns) AS error
FROM p;
