-- SPDX-License-Identifier: MIT
-- What is known of each percentile: one row for each operation and percentile.
--
-- Parameters: :limit (-1: all) :brief (1: without those that are not known; NULL: all)
-- Columns:
--   op
--   percentile    p50 p90 p99 p99.9 p99.99 p99.999
--   dur_ns        nearest rank, middle of its bucket (within 0.8 %); NULL: no call lies beyond it, so that it would be
--                 just the slowest call
--   lo_ns, hi_ns  with 95 % confidence it is between these: order statistics, whatever the distribution, outer ends of
--                 the buckets. NULL: too few calls for a bound
--   beyond_calls  how many calls rank above it: what the percentile stands on
--   note          'few calls': fewer than 10 beyond it, it may be far off; 'not known': none; else NULL
--
-- Caveats: calls count as independent of each other. Where slow ones come in bursts (gap_cv), the bounds are narrower
-- than they should be.
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT op.name AS op,
       CASE tail WHEN 50000 THEN 'p50' WHEN 10000 THEN 'p90' WHEN 1000 THEN 'p99' WHEN 100 THEN 'p99.9'
                 WHEN 10 THEN 'p99.99' ELSE 'p99.999' END AS percentile,
       CASE WHEN beyond_calls > 0 THEN dur_ns END AS dur_ns,
       lo_ns, hi_ns, beyond_calls,
       CASE WHEN beyond_calls = 0 THEN 'not known' WHEN beyond_calls < 10 THEN 'few calls' END AS note
FROM temp.jitter_quantile JOIN op USING (op_id)
WHERE :brief IS NULL OR beyond_calls > 0
ORDER BY op_id, tail DESC
LIMIT :limit;
