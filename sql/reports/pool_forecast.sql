-- SPDX-License-Identifier: MIT
-- Whether single pools will run dry, and when: analysis/forecast/forecast.h.
--
-- Columns:
--   name
--   quality          none, rough or good
--   p_exhaust        within horizon_ns from the end of what is looked at; NULL: not known
--   max_p10, max_p50, max_p90   of in use within it, as if the capacity were no limit
--   exhaust_p10_ns, exhaust_p50_ns, exhaust_p90_ns   from then on; NULL: not in sight, 20 times what was looked at
--   level            mean of the maxima now; trend_per_s: what it grows by; p_trend: how probable it is that it does
--   burstiness       standard deviation of the maxima / level
--   correlation      of neighbouring pieces of time; independent: for so many independent ones they count
--
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, CASE quality WHEN 0 THEN 'none' WHEN 1 THEN 'rough' ELSE 'good' END AS quality, horizon_ns, p_exhaust,
       max_p10, max_p50, max_p90, exhaust_p10_ns, exhaust_p50_ns, exhaust_p90_ns, level, trend_per_s, p_trend, burstiness,
       correlation, independent
FROM temp.pool_scope, temp.pool_line JOIN temp.pool_forecast USING (pool_id)
ORDER BY place;
