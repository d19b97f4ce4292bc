-- SPDX-License-Identifier: MIT
-- The p99 over time at a glance: one row an operation, one digit a second.
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   op
--   t_ns         of the first digit, since the start of the recording
--   step_ns      how long a digit is: a second, or as much as keeps the strip within 100 digits
--   calmest_ns   the lowest p99 of all steps
--   strip        a digit d: the p99 of this step, its worst second, was 2^d times the calmest one or more, below
--                2^(d+1); 9: 512 times or more; '.': no calls
--
-- Caveats: with few calls in a second its p99 is its maximum. Where `record --max-size` has rolled seconds up, they have
-- one p99.
-- Reads temporary tables of analysis/jitter/jitter.h.

WITH RECURSIVE second AS MATERIALIZED (
  -- more_ns: of slots that are several seconds long, what they are beyond the first
  SELECT key AS slot_ns, op.name AS op, p99_ns,
         CASE WHEN dur_ns >= 2000000000 THEN dur_ns - 1000000000 ELSE 0 END AS more_ns
  FROM temp.jitter_spread JOIN op USING (op_id) LEFT JOIN slot ON slot_ns = key WHERE kind = 'slot'
), range AS (
  SELECT min(slot_ns) AS first_ns,
         ((max(slot_ns + more_ns) - min(slot_ns)) / 1000000000 + 100) / 100 * 1000000000 AS step_ns,
         max(slot_ns + more_ns) AS last_ns
  FROM second
), step(n, t_ns) AS (
  SELECT 0, first_ns FROM range WHERE first_ns IS NOT NULL
  UNION ALL
  SELECT n + 1, t_ns + step_ns FROM step, range WHERE t_ns + step_ns <= last_ns
), worst AS MATERIALIZED (
  SELECT op, n, max(p99_ns) AS p99_ns
  FROM (
    SELECT op, (slot_ns - first_ns) / step_ns AS n, p99_ns FROM second, range
    UNION ALL
    SELECT op, step.n, p99_ns FROM second, range, step
    WHERE more_ns > 0 AND step.n > (slot_ns - first_ns) / step_ns
      AND step.n <= (slot_ns + more_ns - first_ns) / step_ns
  )
  GROUP BY 1, 2
), calmest AS (
  SELECT op, min(p99_ns) AS calmest_ns FROM worst GROUP BY op
), digit AS (
  SELECT calmest.op, step.n, calmest_ns, p99_ns / max(calmest_ns, 1) AS times
  FROM calmest CROSS JOIN step LEFT JOIN worst ON worst.op = calmest.op AND worst.n = step.n
  ORDER BY calmest.op, step.n
)
SELECT op, first_ns - :start_ns AS t_ns, step_ns, calmest_ns,
       group_concat(coalesce((times >= 2) + (times >= 4) + (times >= 8) + (times >= 16) + (times >= 32)
                             + (times >= 64) + (times >= 128) + (times >= 256) + (times >= 512), '.'), '') AS strip
FROM digit, range
GROUP BY op
ORDER BY (SELECT op_id FROM op WHERE name = op)
LIMIT :limit;
