-- SPDX-License-Identifier: MIT
-- Data is fetched from the memory of another NUMA node.
--
-- Speaks from: 5 samples from remote DRAM and 5 % of the latency of the event that tells the most.

WITH remote AS (
  SELECT event, unit, cache_event.samples AS all_samples, sum(cache_cell.samples) AS samples,
         total(cache_cell.cost) / nullif(cache_event.cost, 0) AS share
  FROM cache_event JOIN cache_cell USING (event_no)
  WHERE place = 1 AND level = 7
), most AS (
  SELECT site, remote_share FROM cache_event JOIN cache_site USING (event_no) JOIN cache_where USING (where_no)
  WHERE cache_event.place = 1 ORDER BY remote_share DESC, site LIMIT 1
)
SELECT 'data is on another NUMA node' AS finding, 'cache' AS kind, site,
       printf('%d of %d samples of %s from remote DRAM, %.1f %% of %s; most at %s, %.1f %%', samples, all_samples, event,
              share * 100, unit, site, remote_share * 100) AS evidence,
       'memory where it is used: numactl --cpunodebind --membind, mbind, or let the thread that uses the data touch it '
       || 'first' AS advice,
       NULL AS weight_ns, share
FROM remote, most
WHERE samples >= 5 AND share >= 0.05;
