-- SPDX-License-Identifier: MIT
-- The same by thread: one row for each thread and operation, the highest p99.9 first. Estimates from the kept rows:
-- histograms know no threads.
--
-- Parameters: :limit (-1: all) :brief (1: the first 6; NULL: all)
-- Columns:
--   tid          NULL: all threads beyond the first thousands, together
--   thread       its name when last looked at
--   op
--   rows         the kept calls behind the figures
--   calls        estimate: sum of weights
--   p50_ns, p99_ns, p999_ns   weighted, nearest rank, middle of the bucket
--   max_ns       the slowest kept call; exact if outliers were kept
--   mean_ns, cv  estimates
--
-- Caveats: with few rows the percentiles are coarse. Threads with fewer than 30 rows come last. Lost rows are missing.
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT nullif(key, 0) AS tid,
       (SELECT comm FROM thread WHERE tid = key ORDER BY thread_id DESC LIMIT 1) AS thread,
       op.name AS op, rows, calls, p50_ns, p99_ns, p999_ns, max_ns,
       round(mean_ns, 1)                         AS mean_ns,
       round(stddev_ns / nullif(mean_ns, 0), 3)  AS cv
FROM temp.jitter_spread JOIN op USING (op_id)
WHERE kind = 'thread'
ORDER BY rows >= 30 DESC, p999_ns DESC, max_ns DESC, key, op_id
LIMIT coalesce(6 * :brief, :limit);
