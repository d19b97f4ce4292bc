-- SPDX-License-Identifier: MIT
-- What the outliers at the beats of each rhythm have in common: a row for each rhythm and trait.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   period_ns, thread   which rhythm: as in the table rhythm
--   trait               cause (the largest one, v_cause), thread, site, size, op
--   value               the most frequent one
--   share               of the outliers at its beats, 0 to 1
--
-- Caveats: at the beats are also outliers that chance has put there. Of many outliers 1,024 are looked at. Filled by
-- analysis/patterns/patterns.c.

SELECT period_ns, rhythm.thread, trait, value, trait.share
FROM temp.pattern_rhythm AS rhythm JOIN temp.pattern_rhythm_trait AS trait USING (rhythm_id)
ORDER BY p_value, outliers DESC, period_ns, trait.rowid
LIMIT :limit;
