-- SPDX-License-Identifier: MIT
-- Pages of objects are touched for the first time while the process is at work.
--
-- Speaks from: 10 page faults in objects of a site, a second or more after the recording began, and 10 % of all sampled ones.

SELECT 'objects are touched for the first time while at work' AS finding, 'cache' AS kind, site,
       printf('%d of %d sampled %s are in objects of %s, %d of them a second or more after the start', s.samples,
              cache_event.samples, event, site, late) AS evidence,
       'prefault at start: write to each page of the pool or buffer, MAP_POPULATE, mlockall(MCL_CURRENT|MCL_FUTURE)'
         AS advice,
       NULL AS weight_ns, s.share AS share
FROM cache_site AS s JOIN cache_event USING (event_no) JOIN cache_where USING (where_no)
WHERE event LIKE '%fault%' AND cache_where.place = 'object' AND late >= 10 AND s.share >= 0.1;
