-- SPDX-License-Identifier: MIT
-- How good such forecasts would have been earlier in the recording: analysis/forecast/backtest.h.
--
-- Columns:
--   name
--   horizon_ns      how far these looked: a tenth of what was looked at, or --horizon if that is less
--   origins         from so many times; 0: too short
--   brier           mean squared error of the probabilities, 0 to 1, less is better; brier_line: of the straight line;
--                   brier_mean: of the mean as everyone's probability
--   error, bias     median of |forecast - maximum| / maximum, and with its sign: below 0, too low
--   covered_share   of maxima within p10 to p90: 80 % if these are right
--
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, horizon_ns, origins, brier, brier_line, brier_share AS brier_mean, error, bias, covered AS covered_share
FROM temp.pool_line JOIN temp.pool_backtest USING (pool_id)
ORDER BY place;
