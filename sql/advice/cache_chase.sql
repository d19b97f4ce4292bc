-- SPDX-License-Identifier: MIT
-- Many small objects of one site come from DRAM, one by one: they lie where the allocator put them.
--
-- Speaks from: 10 % of the latency of the event that tells the most, from DRAM, at a site of which 32 objects were hit, of
--              256 bytes at most on average, and at least 4 lines for 5 samples: hardly any line twice.

WITH dram AS (
  SELECT event_no, where_no, sum(samples) AS samples FROM cache_cell WHERE level IN (6, 7) GROUP BY event_no, where_no
)
SELECT 'small objects are fetched from DRAM one by one' AS finding, 'cache' AS kind, site,
       printf('%d samples of %s from DRAM in objects of %s, %.1f %% of %s; %d objects of %d bytes each on %d lines were hit',
              dram.samples, event, site, dram_share * 100, unit, objects, bytes / objects, lines) AS evidence,
       'keep them together: a pool or arena of this type in the order of use, indices instead of pointers; prefetch the next '
       || 'one before it is needed' AS advice,
       NULL AS weight_ns, dram_share AS share
FROM dram JOIN cache_event USING (event_no) JOIN cache_site USING (event_no, where_no) JOIN cache_where USING (where_no)
     JOIN cache_distinct AS d ON d.event_no = dram.event_no AND d.where_no = dram.where_no AND d.level = -1
WHERE cache_event.place = 1 AND cache_where.place = 'object' AND dram_share >= 0.1 AND objects >= 32
  AND bytes <= 256 * objects AND lines * 5 >= cache_site.samples * 4;
