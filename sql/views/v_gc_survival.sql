-- SPDX-License-Identifier: MIT
-- What of the young generation survived a young collection, by the memory before and after it.
--
--   gc_id, t_ns, runtime, kind   v_gc: pauses of kind young, mixed and concurrent-start, where their pools are known
--   young_bytes      in use before it: eden, which is what was given out since the last one, and survivors of that
--   survived_bytes   of these, what was in use after it: in the young generation, and what the old one had more
--   promoted_bytes   that the old generation had more; NULL: of a mixed collection, which frees some of it
--   survival         survived_bytes / young_bytes, 0 to 1
--
-- Caveats: of which classes what survived is, a runtime does not tell without a walk through its heap. Large objects that G1
-- frees in a young collection make what moved to the old generation less than it was.
--
-- Example: SELECT avg(survival), sum(promoted_bytes) FROM v_gc_survival

CREATE VIEW v_gc_survival AS
WITH pools AS (
  SELECT gc_id, t_ns, runtime, kind,
         sum(CASE WHEN pool LIKE '%eden%' OR pool LIKE '%survivor%' THEN used_before_bytes END) AS young_bytes,
         sum(CASE WHEN pool LIKE '%eden%' OR pool LIKE '%survivor%' THEN used_after_bytes END) AS left_bytes,
         sum(CASE WHEN pool LIKE '%old%' OR pool LIKE 'tenured%' THEN max(used_after_bytes - used_before_bytes, 0) END) AS grown_bytes
  FROM gc JOIN gc_pool USING (gc_id)
  WHERE is_pause AND kind IN ('young', 'mixed', 'concurrent-start')
  GROUP BY gc_id
)
SELECT gc_id, t_ns, runtime, kind, young_bytes, min(left_bytes + grown_bytes, young_bytes) AS survived_bytes,
       CASE WHEN kind <> 'mixed' THEN grown_bytes END AS promoted_bytes,
       min(1.0, 1.0 * (left_bytes + grown_bytes) / young_bytes) AS survival
FROM pools
WHERE young_bytes > 0 AND left_bytes >= 0 AND grown_bytes IS NOT NULL;
