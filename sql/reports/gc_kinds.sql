-- SPDX-License-Identifier: MIT
-- Garbage collections by runtime and kind: pauses as the threads feel them, and what works beside the program.
--
-- Parameters: :from_ns :to_ns :covered_ns :limit (-1: all)
-- Columns:
--   runtime, kind, is_pause  as in v_gc
--   collections
--   per_minute               of the time that is covered
--   total_ns                 of pauses, stopped; of others, at work
--   share                    of the time that is covered
--   p50_ns, p90_ns, p99_ns, max_ns   nearest rank. Of pauses: from the order to stop until the threads were let go, where that
--                            was seen (v_gc.stopped_ns), else as long as the collector worked
--   ttsp_p50_ns, ttsp_max_ns of these, what the threads took to stop; NULL: not seen

WITH one AS (
  SELECT runtime, kind, 1 AS is_pause, felt_ns AS ns, ttsp_ns FROM temp.gc_pause
  UNION ALL
  SELECT runtime, coalesce(kind, '?'), 0, max(dur_ns, 0), NULL FROM gc WHERE NOT is_pause AND t_ns >= :from_ns AND t_ns < :to_ns
), placed AS (
  SELECT *, row_number() OVER (PARTITION BY runtime, kind, is_pause ORDER BY ns) AS place,
         count(*) OVER (PARTITION BY runtime, kind, is_pause) AS n,
         row_number() OVER (PARTITION BY runtime, kind, is_pause ORDER BY ttsp_ns NULLS LAST) AS ttsp_place,
         count(ttsp_ns) OVER (PARTITION BY runtime, kind, is_pause) AS ttsps
  FROM one
)
SELECT runtime, kind, is_pause, n AS collections, round(n * 6e10 / nullif(:covered_ns, 0), 1) AS per_minute,
       CAST(total(ns) AS INTEGER) AS total_ns, total(ns) / nullif(:covered_ns, 0) AS share,
       max(CASE WHEN place = (n + 1) / 2 THEN ns END) AS p50_ns,
       max(CASE WHEN place = (n * 9 + 9) / 10 THEN ns END) AS p90_ns,
       max(CASE WHEN place = (n * 99 + 99) / 100 THEN ns END) AS p99_ns, max(ns) AS max_ns,
       max(CASE WHEN ttsp_place = (ttsps + 1) / 2 THEN ttsp_ns END) AS ttsp_p50_ns, max(ttsp_ns) AS ttsp_max_ns
FROM placed
GROUP BY runtime, kind, is_pause
ORDER BY is_pause DESC, total_ns DESC, runtime, kind
LIMIT :limit;
