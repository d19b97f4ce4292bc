-- SPDX-License-Identifier: MIT
-- The fields of an object that are used the most lie on several lines, and would fit on one.
--
-- Speaks from: 5 % of the latency of the event that tells the most, at a site whose objects have more than 64 bytes; of
--              that, 60 % at 2 to 8 hot offsets (10 % and 5 samples each) which are more than 64 bytes apart.
-- Caveats: lines are counted from the object's start.

WITH hot AS (
  SELECT event_no, where_no, count(*) AS fields, min(granule) * 8 AS least, max(granule) * 8 AS most,
         count(DISTINCT granule / 8) AS lines, total(share) AS share,
         group_concat(printf('%d (%.0f %%)', granule * 8, share * 100), ', ') AS offsets
  FROM (SELECT * FROM cache_hot WHERE samples >= 5 AND share >= 0.1 ORDER BY event_no, where_no, granule)
  GROUP BY event_no, where_no
)
SELECT 'hot fields of an object are spread over lines' AS finding, 'cache' AS kind, site,
       printf('objects of %d bytes at %s, %.1f %% of %s: %.0f %% of it at offsets %s, on %d lines', most_bytes, site,
              cache_site.share * 100, unit, hot.share * 100, offsets, lines) AS evidence,
       'put these fields side by side, or split the object: the hot part in 64 bytes, aligned, and the cold part elsewhere'
         AS advice,
       NULL AS weight_ns, cache_site.share AS share
FROM hot JOIN cache_event USING (event_no) JOIN cache_site USING (event_no, where_no) JOIN cache_where USING (where_no)
WHERE cache_event.place = 1 AND cache_site.share >= 0.05 AND most_bytes > 64 AND fields BETWEEN 2 AND 8
  AND lines > 1 AND most - least >= 64 AND hot.share >= 0.6;
