-- SPDX-License-Identifier: MIT
-- How well the next pause was foreseen while recording.
--
-- Parameters: :from_ns :to_ns
-- Columns:
--   runtime, kind    as in v_gc_prediction; kind '': a pause of any
--   pauses           that were foreseen
--   error_p50_share  median of |expected - actual| / time that was left, of the prediction made nearest to the middle between
--                    two pauses
--   covered_share    of these, how many came within the interval that was told
--   nominal_share    how many should have
--
-- Caveats: predictions whose pause had not come when the recording ended are left out.

WITH made AS MATERIALIZED (
  -- Each of its columns is a search of its own.
  SELECT * FROM v_gc_prediction WHERE made_ns >= :from_ns AND made_ns < :to_ns
), foreseen AS (
  SELECT *, row_number() OVER (PARTITION BY runtime, kind, actual_ns
                               ORDER BY abs(made_ns - (since_ns + (actual_ns - since_ns) / 2)), made_ns) AS nth
  FROM made
  WHERE actual_ns IS NOT NULL AND since_ns IS NOT NULL
), middle AS (
  SELECT *, abs(error) AS off, row_number() OVER (PARTITION BY runtime, kind ORDER BY abs(error)) AS place,
         count(*) OVER (PARTITION BY runtime, kind) AS n
  FROM foreseen WHERE nth = 1
)
SELECT runtime, kind, n AS pauses, max(CASE WHEN place = (n + 1) / 2 THEN off END) AS error_p50_share,
       avg(actual_ns BETWEEN lo_ns AND hi_ns) AS covered_share, avg(coverage) AS nominal_share
FROM middle
GROUP BY runtime, kind
ORDER BY runtime, kind;
