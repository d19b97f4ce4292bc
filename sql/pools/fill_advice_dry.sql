-- SPDX-License-Identifier: MIT
-- Rule will_run_dry: the forecast has a pool reach its capacity.
--
-- Speaks from: 1 % within the horizon, or 1 % of a session like this one; of pools that did not run dry yet.

INSERT INTO temp.pool_advice
SELECT pool_id, name, 'will_run_dry', 'will run dry', NULL,
       CASE WHEN p_exhaust IS NULL THEN '' ELSE printf('%.1f %% within the next %.1f s; ', 100 * p_exhaust, horizon_ns / 1e9) END
       || CASE WHEN risk_now IS NULL THEN '' ELSE printf('%.1f %% of sessions like this one; ', 100 * risk_now) END
       || printf('at most %,d of %,d in use so far', in_use_max, line.capacity),
       CASE WHEN z.capacity > line.capacity
            THEN printf('a capacity of %,d: exceeded in one session of %,d', z.capacity, CAST(round(min(1 / risk, 1e15)) AS INTEGER))
            ELSE 'a larger capacity: the recording is too short to say how large' END,
       CASE WHEN capacity_bytes > now_bytes THEN printf('takes %,d bytes more', capacity_bytes - now_bytes)
            ELSE 'no get fails' END,
       'record a session: in_use_max of v_pool_sum stays below the capacity', max(coalesce(p_exhaust, 0), coalesce(risk_now, 0))
FROM temp.pool_scope, temp.pool_line AS line LEFT JOIN temp.pool_forecast USING (pool_id)
     LEFT JOIN temp.pool_sizing AS z USING (pool_id)
WHERE failures = 0 AND max(coalesce(p_exhaust, 0), coalesce(risk_now, 0)) >= 0.01;
