-- SPDX-License-Identifier: MIT
-- Which field: offsets within the objects of a site that take much more of its latency than an even spread would give
-- them. No rows: no offset stands out.
--
-- Parameters: :limit (-1: all) :brief (1: the first 10; NULL: all)
-- Columns:
--   event
--   site          where the objects were allocated
--   offset        in the object, bytes: this one and the 7 after it
--   samples
--   share         of the site's latency (of its periods, where the event tells no latency), 0 to 1
--   event_share   of the latency of the event
--   object_bytes  the size of the site's largest object that was hit
--   code          the function with the most of it
--
-- Caveats: of sites whose objects have at most 64 KiB: a larger block is an array, and its offsets no fields. Shown from
-- 5 samples on, and from twice what all offsets would have if they had the same.
-- Reads temporary tables of sql/cache/tables.sql.

SELECT event, site, granule * 8 AS offset, hot.samples, hot.share, hot.cost / nullif(cache_event.cost, 0) AS event_share,
       most_bytes AS object_bytes, code
FROM temp.cache_hot AS hot JOIN temp.cache_event USING (event_no) JOIN temp.cache_where USING (where_no)
WHERE hot.samples >= 5 AND granules > 1 AND hot.share >= 2.0 / granules
ORDER BY cache_event.place, hot.cost DESC, site, granule
LIMIT coalesce(10 * :brief, :limit);
