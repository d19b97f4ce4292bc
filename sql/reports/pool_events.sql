-- SPDX-License-Identifier: MIT
-- What happened to single pools, by kind and site.
--
-- Parameters: :from_ns :to_ns :start_ns (of the recording)
-- Columns:
--   name, kind        as in v_pool_event
--   events
--   start_ns, end_ns  of the first and last, since the start of the recording
--   most              the largest n: objects out at high_water, free at empty, not returned
--   site              of the get or put; tid: a thread that did it
--
-- Reads temporary tables of sql/pools/tables.sql.

SELECT name, kind, count(*) AS events, min(t_ns) - :start_ns AS start_ns, max(t_ns) - :start_ns AS end_ns, max(n) AS most,
       coalesce(site, '[no stack]') AS site, tid
FROM temp.pool_line JOIN v_pool_event USING (pool_id) LEFT JOIN stack_site USING (stack_id)
WHERE t_ns >= :from_ns AND t_ns < :to_ns
GROUP BY place, kind, site
ORDER BY place, kind, events DESC, site
LIMIT 40;
