-- SPDX-License-Identifier: MIT
-- What is to be done about pools, in words; then what is not known, and why.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   sentence
--   orders ran dry 17 times, first at 09:30:00.1 (12.300 s), at most 4,096 of 4,096 in use
--
-- Times of day are of where the report is read. At most 5 findings of a rule, those with the largest share.
-- Reads temporary tables of sql/pools/tables.sql.

WITH line AS (
  SELECT l.*, p_exhaust, exhaust_p10_ns, exhaust_p50_ns, exhaust_p90_ns, trend_per_s, p_trend, z.capacity AS advised, capacity_upper, capacity_best, capacity_bytes, risk_now,
         is_extrapolated, is_censored, coalesce(s.hidden_failures, 0) AS hidden_failures, hidden_max, is_heap,
         coalesce((SELECT first_ns FROM temp.pool_happened AS h WHERE h.pool_id = l.pool_id AND kind = 'empty'),
                  (SELECT min(slot_ns) FROM pool_use AS u, temp.pool_scope
                   WHERE u.pool_id = l.pool_id AND u.failures > 0 AND slot_ns >= from_ns - 1000000000)) AS dry_ns
  FROM temp.pool_line AS l LEFT JOIN temp.pool_forecast USING (pool_id) LEFT JOIN temp.pool_sizing AS z USING (pool_id)
       LEFT JOIN temp.pool_strip USING (pool_id) LEFT JOIN pool_sum AS s USING (pool_id)
), weight AS (
  -- What is wrong comes before what is slow.
  SELECT column1 AS rule, column2 AS first
  FROM (VALUES ('double_put', 1), ('foreign_put', 2), ('not_returned', 3), ('hidden_failures', 4))
), found AS (
  SELECT a.*, coalesce((SELECT first FROM weight WHERE weight.rule = a.rule), 9) AS first, row_number() OVER (PARTITION BY rule ORDER BY share DESC, a.pool_id) AS nth, count(*) OVER (PARTITION BY rule) AS times
  FROM temp.pool_advice AS a
  -- These two are said below, with more.
  WHERE rule NOT IN ('ran_dry', 'will_run_dry')
), size AS (
  -- Where it is worth a word: what failed, what will, what is too large, and a single pool always.
  SELECT line.*, risk
  FROM line, temp.pool_scope
  WHERE advised > 0 AND (failures > 0 OR p_exhaust >= 0.01 OR risk_now >= 0.01 OR is_single)
)
SELECT sentence FROM (
  SELECT 1 AS part, place, 0 AS nth,
         printf('%s ran dry %s, first at ', name, CASE failures WHEN 1 THEN 'once' ELSE printf('%,d times', failures) END)
         || coalesce(mp_time_of_day(dry_ns + real_ns) || ' ', '')
         || printf(CASE WHEN real_ns IS NULL THEN '%.3f s' ELSE '(%.3f s)' END, (dry_ns - :start_ns) / 1e9)
         || printf(', at most %,d', in_use_max) || CASE WHEN capacity IS NULL THEN '' ELSE printf(' of %,d', capacity) END || ' in use'
         || CASE WHEN is_cut THEN ''
                 ELSE coalesce((SELECT printf('; of these %s held %,d', site, at_high_water) FROM v_pool_site
                                WHERE v_pool_site.pool_id = line.pool_id AND site IS NOT NULL AND at_high_water > 0
                                ORDER BY at_high_water DESC, site LIMIT 1), '') END
         || CASE WHEN hidden_failures > 0
                 THEN printf('; %,d times while up to %,d objects were free, in caches of other threads, say', hidden_failures,
                             hidden_max) ELSE '' END AS sentence
  FROM line, temp.pool_scope WHERE failures > 0
  UNION ALL
  SELECT 2, place, 0,
         printf('%s is expected to run dry within the next %s with a probability of %s', name, mp_duration(horizon_ns), mp_share(p_exhaust))
         || CASE WHEN exhaust_p50_ns = 0 THEN ': it is dry now'
                 WHEN exhaust_p50_ns IS NULL THEN ''
                 ELSE printf('; as likely before as after %s from now', mp_duration(exhaust_p50_ns))
                      || coalesce(' (80 %: ' || mp_duration(exhaust_p10_ns) || ' to ' || mp_duration(exhaust_p90_ns) || ')', '') END
         || CASE WHEN p_trend >= 0.95 AND trend_per_s > 0
                 THEN printf('; it grows by %.3g objects a second', trend_per_s) ELSE '' END
  FROM line, temp.pool_scope WHERE p_exhaust >= 0.01
  UNION ALL
  SELECT 3, place, 0,
         printf('%s: %,d objects', name, advised)
         || CASE WHEN capacity_bytes > 0 THEN ' (' || mp_bytes(capacity_bytes) || ')' ELSE '' END
         || printf(' would be exceeded in one session of %s like this one', printf('%,d', CAST(round(min(1 / risk, 1e15)) AS INTEGER)))
         || CASE WHEN capacity_upper > advised THEN printf(', %,d with 95 %% confidence', capacity_upper) ELSE '' END
         || CASE WHEN 2 * capacity_best < advised THEN printf(', %,d by the most probable fit alone', capacity_best) ELSE '' END
         || CASE WHEN capacity IS NULL OR risk_now IS NULL THEN ''
                 WHEN risk_now < 1e-9 THEN printf('; the %,d that it has are exceeded in less than one of 1e9', capacity)
                 WHEN risk_now < 0.001 THEN printf('; the %,d that it has are exceeded in one of %.3g', capacity, 1 / risk_now)
                 ELSE printf('; the %,d that it has are exceeded in %s', capacity, mp_share(risk_now)) END
         || CASE WHEN is_censored THEN '; what failed gets would have taken is estimated' ELSE '' END
         || CASE WHEN is_extrapolated THEN '; no session so rare was seen: this is by the shape of the peaks' ELSE '' END
  FROM size
  UNION ALL
  SELECT 4, first, nth,
         printf('%s: %s%s: %s; do: %s', name, finding, coalesce(' at ' || site, ''), evidence, setting)
  FROM found WHERE nth <= 5
  UNION ALL
  SELECT 5, 0, 0, printf('%s: %,d further pools: --table advice', finding, times - 5) FROM found WHERE nth = 6
  UNION ALL
  SELECT 6, 0, 0, CASE WHEN count(*) = 1 THEN max(name) || ' did not run dry, and nothing else was found'
                       ELSE printf('none of these %,d pools ran dry, and nothing else was found', count(*)) END
  FROM line
  WHERE NOT is_heap
  HAVING count(*) > 0 AND total(failures) = 0 AND NOT EXISTS (SELECT 1 FROM found)
         AND NOT EXISTS (SELECT 1 FROM line WHERE p_exhaust >= 0.01)
  UNION ALL
  SELECT 7, pool_note.place, 0, 'note: ' || text FROM temp.pool_note
)
ORDER BY part, place, nth, sentence;
