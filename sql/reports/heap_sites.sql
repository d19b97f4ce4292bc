-- SPDX-License-Identifier: MIT
-- What lives at the end of the time, by where it was allocated, the most bytes first.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   share              of all live bytes, 0 to 1
--   live_bytes         asked for; of blocks that were born in the recording
--   error_bytes        the truth is as near with 95 % confidence: 2 standard errors (v_block)
--   live_objects       likewise
--   peak_bytes         the most at one of 4096 instants evenly over the time
--   allocs_per_s, bytes_per_s   born in the time
--   p50_ns, p99_ns     of lifetimes, by Kaplan and Meier: what is alive counts as longer; NULL: longer than can be told
--   watched_ns         the longest that a block of the site was seen to live
--   crossed_share      of those that were released, by another thread than allocated them; NULL: none was
--   kept_share         of those that were born in the time, alive at its end
--   rows               followed blocks behind these figures
--   site               as in v_block
--
-- Caveats: estimates. A peak of estimates is too high rather than too low.
-- Reads temporary tables of analysis/heap/heap.h.

SELECT h.live_bytes / nullif((SELECT total(live_bytes) FROM temp.heap_site), 0) AS share,
       CAST(round(h.live_bytes) AS INTEGER) AS live_bytes, CAST(round(2 * h.live_bytes_sd) AS INTEGER) AS error_bytes,
       CAST(round(h.live_objects) AS INTEGER) AS live_objects, CAST(round(peak_bytes) AS INTEGER) AS peak_bytes,
       CAST(round(born * 1e9 / (to_ns - from_ns)) AS INTEGER) AS allocs_per_s,
       CAST(round(born_bytes * 1e9 / (to_ns - from_ns)) AS INTEGER) AS bytes_per_s,
       p50_ns, p99_ns, watched_ns, crossed_share, kept_share, h.rows AS rows, site
FROM temp.heap_site h JOIN temp.heap_site_name USING (site_no), temp.heap_scope
ORDER BY h.live_bytes DESC, born_bytes DESC, site
LIMIT :limit;
