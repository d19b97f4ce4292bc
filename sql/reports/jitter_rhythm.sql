-- SPDX-License-Identifier: MIT
-- What makes calls slow again and again: periods in the times of the outliers, the surest first. No rows: they come
-- as irregularly as chance would bring them.
--
-- Parameters: :limit (-1: the 5 surest)
-- Columns:
--   period_ns
--   thread        NULL: found among the outliers of all threads; else among those of this one only
--   outliers      more than chance would have put to its beats
--   share         of all outliers, 0 to 1
--   p_value       that no such rhythm is there: below 0.001 for the whole table, all periods and threads that were
--                 tried taken together
--   phase_ns      a beat was so long after the start of the recording (and each period_ns later); NULL: the rhythm
--                 drifts
--   locked_ns     it keeps its phase for so long
--   cause         the most frequent largest cause (v_cause) of the outliers at its beats, with its detail
--   cause_share   how many of them have it, 0 to 1. At the beats are also those that chance has put there
--   rhythm        all that in words
--
-- Caveats: periods from 1 ms to a tenth of the recording; outliers within 200 us of one another count as one. A period
-- that holds for a small part of the recording only may be missed. Filled by analysis/patterns/patterns.c.

SELECT period_ns, thread, outliers, share, p_value, phase_ns, locked_ns, cause, cause_share, rhythm
FROM temp.pattern_rhythm
ORDER BY p_value, outliers DESC, period_ns
LIMIT CASE WHEN :limit < 0 THEN 5 ELSE :limit END;
