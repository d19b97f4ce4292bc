-- SPDX-License-Identifier: MIT
-- What of the young generation survives young collections.
--
-- Parameters: :from_ns :to_ns :covered_ns
-- Columns:
--   runtime, collections   as in v_gc_survival
--   young_p50_bytes        in use before one
--   survived_p50_share, survived_p90_share, survived_max_share   of it, after one
--   promoted_p50_bytes     that one moved to the old generation; promoted_bytes_per_s: all of them together
--   promoted_share         of all that was in use before them

WITH one AS (
  SELECT *, row_number() OVER (PARTITION BY runtime ORDER BY survival) AS place, count(*) OVER (PARTITION BY runtime) AS n,
         row_number() OVER (PARTITION BY runtime ORDER BY young_bytes) AS young_place,
         row_number() OVER (PARTITION BY runtime ORDER BY promoted_bytes NULLS LAST) AS promoted_place,
         count(promoted_bytes) OVER (PARTITION BY runtime) AS promotions
  FROM v_gc_survival WHERE t_ns >= :from_ns AND t_ns < :to_ns
)
SELECT runtime, n AS collections, max(CASE WHEN young_place = (n + 1) / 2 THEN young_bytes END) AS young_p50_bytes,
       max(CASE WHEN place = (n + 1) / 2 THEN survival END) AS survived_p50_share,
       max(CASE WHEN place = (n * 9 + 9) / 10 THEN survival END) AS survived_p90_share, max(survival) AS survived_max_share,
       max(CASE WHEN promoted_place = (promotions + 1) / 2 THEN promoted_bytes END) AS promoted_p50_bytes,
       round(total(promoted_bytes) * 1e9 / nullif(:covered_ns, 0)) AS promoted_bytes_per_s,
       total(promoted_bytes) / nullif(total(CASE WHEN promoted_bytes IS NOT NULL THEN young_bytes END), 0) AS promoted_share
FROM one
GROUP BY runtime
ORDER BY runtime;
