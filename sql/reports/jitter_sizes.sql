-- SPDX-License-Identifier: MIT
-- The same by size: one row for each operation and size class that had calls.
--
-- Parameters: :limit (-1: all) :brief (1: only the 12 that took the most time; NULL: all)
-- Columns:
--   op
--   size_lo_bytes, size_hi_bytes   size class, both ends included; hi NULL: no upper end; both NULL: the operation
--                                  has no size (free, delete)
--   calls, p50_ns, p99_ns, p999_ns, p9999_ns, max_ns   as in v_jitter
--   mean_ns, cv, p999_over_p50                         as by operation
--
-- Caveats: those of v_latency.
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT op.name AS op,
       CASE WHEN op.name NOT IN ('free', 'delete') THEN lo_bytes END AS size_lo_bytes,
       CASE WHEN op.name NOT IN ('free', 'delete') THEN nullif(hi_bytes, 0x7fffffffffffffff) END AS size_hi_bytes,
       calls, p50_ns, p99_ns, p999_ns, p9999_ns, max_ns,
       round(mean_ns, 1)                                  AS mean_ns,
       round(stddev_ns / nullif(mean_ns, 0), 3)           AS cv,
       round(p999_ns * 1.0 / nullif(p50_ns, 0), 1)        AS p999_over_p50
FROM (SELECT *, row_number() OVER (ORDER BY calls * mean_ns DESC, op_id, key) AS place
      FROM temp.jitter_spread WHERE kind = 'size')
JOIN op USING (op_id)
JOIN size_class ON size_class = key
WHERE :brief IS NULL OR place <= 12
ORDER BY op_id, size_class
LIMIT :limit;
