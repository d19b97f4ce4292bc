-- SPDX-License-Identifier: MIT
-- How full single pools were over time, in at most 20 steps.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   name, t_ns            start of the step, since the start of the recording
--   in_use_min, in_use_max, in_use_last   as counted
--   max_share             in_use_max / capacity; NULL: it is not known
--   gets_per_s, puts_per_s, failures
--
-- Caveats: slots that were rolled up count in the step that they begin in.
-- Reads temporary tables of sql/pools/tables.sql.

WITH joined AS (
  SELECT pool_id, n / 3 AS step, min(t_ns) AS t_ns, sum(dur_ns) AS dur_ns, min(in_use_min) AS in_use_min,
         max(in_use_max) AS in_use_max, max(n) AS last, total(gets) AS gets, total(puts) AS puts, sum(failures) AS failures
  FROM temp.pool_step GROUP BY pool_id, n / 3
)
SELECT name, t_ns - :start_ns AS t_ns, in_use_min, joined.in_use_max,
       (SELECT in_use_last FROM temp.pool_step AS s WHERE s.pool_id = joined.pool_id AND n = last) AS in_use_last,
       1.0 * joined.in_use_max / capacity AS max_share, joined.gets * 1e9 / dur_ns AS gets_per_s,
       joined.puts * 1e9 / dur_ns AS puts_per_s, joined.failures
FROM joined JOIN temp.pool_line USING (pool_id)
ORDER BY place, step;
