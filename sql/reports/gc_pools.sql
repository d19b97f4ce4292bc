-- SPDX-License-Identifier: MIT
-- The memory of the runtimes before and after collections.
--
-- Parameters: :from_ns :to_ns :covered_ns :limit (-1: all)
-- Columns:
--   runtime, pool         as in v_gc_pool; 'heap' is all of it
--   collections           that told of it
--   before_p50_bytes, after_p50_bytes, after_max_bytes   in use before and after them
--   freed_p50_bytes       by one
--   grown_bytes_per_s     of an old generation, what pauses moved to it: the promotion rate
--   trend_bytes_per_s     of what is in use after them: median of the slopes of all pairs (Theil, Sen), between
--                         trend_lo_per_s and trend_hi_per_s with 95 % confidence; NULL: fewer than 8
--   committed_bytes, max_bytes   after the last one; NULL: not known

WITH one AS (
  SELECT runtime, pool, t_ns, is_pause, used_before_bytes AS b, used_after_bytes AS a, committed_bytes, max_bytes,
         row_number() OVER (PARTITION BY runtime, pool ORDER BY used_before_bytes NULLS LAST) AS b_place,
         count(used_before_bytes) OVER (PARTITION BY runtime, pool) AS b_n,
         row_number() OVER (PARTITION BY runtime, pool ORDER BY used_after_bytes NULLS LAST) AS a_place,
         count(used_after_bytes) OVER (PARTITION BY runtime, pool) AS a_n,
         row_number() OVER (PARTITION BY runtime, pool ORDER BY used_before_bytes - used_after_bytes NULLS LAST) AS f_place,
         count(used_before_bytes - used_after_bytes) OVER (PARTITION BY runtime, pool) AS f_n,
         row_number() OVER (PARTITION BY runtime, pool ORDER BY committed_bytes IS NULL, t_ns DESC) AS c_place,
         row_number() OVER (PARTITION BY runtime, pool ORDER BY max_bytes IS NULL, t_ns DESC) AS m_place
  FROM gc JOIN gc_pool USING (gc_id)
  WHERE t_ns >= :from_ns AND t_ns < :to_ns
)
SELECT one.runtime, one.pool, count(*) AS collections,
       max(CASE WHEN b_place = (b_n + 1) / 2 THEN b END) AS before_p50_bytes,
       max(CASE WHEN a_place = (a_n + 1) / 2 THEN a END) AS after_p50_bytes, max(a) AS after_max_bytes,
       max(CASE WHEN f_place = (f_n + 1) / 2 THEN b - a END) AS freed_p50_bytes,
       CASE WHEN one.pool LIKE '%old%' OR one.pool LIKE 'tenured%'
            THEN round(total(CASE WHEN is_pause AND a > b THEN a - b END) * 1e9 / nullif(:covered_ns, 0)) END AS grown_bytes_per_s,
       round(slope) AS trend_bytes_per_s, round(lo) AS trend_lo_per_s, round(hi) AS trend_hi_per_s,
       max(CASE WHEN c_place = 1 THEN committed_bytes END) AS committed_bytes,
       max(CASE WHEN m_place = 1 THEN max_bytes END) AS max_bytes
FROM one LEFT JOIN temp.gc_trend AS trend ON trend.runtime = one.runtime AND trend.pool = one.pool
GROUP BY one.runtime, one.pool
ORDER BY one.runtime, one.pool <> 'heap', one.pool
LIMIT :limit;
