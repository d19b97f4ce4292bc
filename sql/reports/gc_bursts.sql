-- SPDX-License-Identifier: MIT
-- What is given out, by class, in bursts that force early promotion: slots in which pauses come half more often than in the
-- median one, and half more of what is given out moves to the old generation. Without such bursts there are no rows.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   runtime, class       as in v_gc_class; the one whose share grows most first
--   bursts, slots        so many slots are bursts, of so many that are known
--   burst_share, else_share        of what is given out in them, and in the others
--   promoted_share, else_promoted_share   of what is given out in them, and in the others, this moves to the old generation

SELECT runtime, name AS class, bursts, slots, burst_share, else_share, promoted AS promoted_share, else_promoted AS else_promoted_share
FROM temp.gc_burst JOIN gc_class_name USING (class_id)
ORDER BY burst_share - coalesce(else_share, 0) DESC, name
LIMIT :limit;
