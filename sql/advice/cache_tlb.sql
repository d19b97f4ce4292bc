-- SPDX-License-Identifier: MIT
-- Loads walk the page tables: the data lies on more pages than the TLB has room for.
--
-- Speaks from: 5 samples with a walk and 10 % of the latency of the event that tells the most.

WITH walks AS (
  SELECT event, unit, sum(walks) AS walks, cache_event.samples, total(walk_share) AS share
  FROM cache_event JOIN cache_site USING (event_no)
  WHERE place = 1
), most AS (
  SELECT site, walk_share FROM cache_event JOIN cache_site USING (event_no) JOIN cache_where USING (where_no)
  WHERE cache_event.place = 1 ORDER BY walk_share DESC, site LIMIT 1
)
SELECT 'loads walk the page tables' AS finding, 'cache' AS kind, site,
       printf('%d of %d samples of %s, %.1f %% of %s; most at %s, %.1f %%', walks, samples, event, share * 100, unit, site,
              walk_share * 100) AS evidence,
       'huge pages for this data: madvise(MADV_HUGEPAGE) on its pool or arena, or hugetlbfs; glibc: '
       || 'GLIBC_TUNABLES=glibc.malloc.hugetlb=1' AS advice,
       NULL AS weight_ns, share
FROM walks, most
WHERE walks >= 5 AND share >= 0.1;
