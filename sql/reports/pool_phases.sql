-- SPDX-License-Identifier: MIT
-- Whether single pools will run dry in the next occurrence of each phase, as phases recurred so far.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   name, phase
--   start_ns, end_ns   of that occurrence, since the start of the recording; the one that is on, its rest. end_ns NULL: not
--                      known
--   p_exhaust, max_p50, max_p90   as in sql/reports/pool_forecast.sql
--
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, phase, start_ns - :start_ns AS start_ns, end_ns - :start_ns AS end_ns, p_exhaust, max_p50, max_p90
FROM temp.pool_line JOIN temp.pool_forecast_phase USING (pool_id)
ORDER BY place, start_ns, phase;
