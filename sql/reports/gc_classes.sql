-- SPDX-License-Identifier: MIT
-- What memory was given out for, by class, and whether promotion follows it.
--
-- Parameters: :from_ns :to_ns :covered_ns :limit (-1: all)
-- Columns:
--   runtime, class        as in v_gc_class
--   bytes_per_s           given out, while that was counted by class
--   share                 of all that was, between lo_share and hi_share with 95 % confidence: buffers of threads are a sample
--                         (Wilson, JASA 22, 1927), objects with memory of their own are all counted
--   samples               buffers of threads
--   large_objects         with memory of their own; large_bytes_per_s: of them; largest_bytes: they have less than twice this
--   lag_ns, rho, p_value  promotion that much later goes along with it (rank correlation, slot by slot, of 16 classes and up
--                         to 3 slots; p: all of these tests taken together). NULL: fewer than 8 slots, or no promotion
--   promoted_per_byte, lo, hi   what then moves to the old generation for each byte given out, and its 95 % confidence
--
-- Caveats: what goes together need not be cause and effect.

WITH one AS (
  SELECT class_id, total(bytes) AS bytes, total(iif(object_bytes = 0, bytes, 0)) AS buffers, total(iif(object_bytes = 0, events, 0)) AS samples,
         total(iif(object_bytes = 0, 0, events)) AS large_objects, total(iif(object_bytes = 0, 0, bytes)) AS large_bytes,
         nullif(max(object_bytes), 0) AS largest_bytes
  FROM gc_class WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY class_id
), watched AS (
  -- From the first to the last slot of which any class is told.
  SELECT coalesce(nullif((SELECT total(dur_ns) FROM slot WHERE slot_ns BETWEEN least_ns AND most_ns), 0), :covered_ns) AS ns
  FROM (SELECT min(slot_ns) AS least_ns, max(slot_ns) AS most_ns FROM gc_class WHERE slot_ns >= :from_ns AND slot_ns < :to_ns)
), part AS (
  SELECT *, sum(bytes) OVER of_runtime AS all_bytes, sum(buffers) OVER of_runtime AS all_buffers,
         max(sum(samples) OVER of_runtime, 1) AS n, buffers / nullif(sum(buffers) OVER of_runtime, 0) AS p
  FROM one JOIN gc_class_name USING (class_id)
  WINDOW of_runtime AS (PARTITION BY runtime)
), wilson AS (
  SELECT *, (p + 1.92 / n) / (1 + 3.84 / n) AS middle, 1.96 * sqrt(max(p * (1 - p) / n + 0.96 / n / n, 0)) / (1 + 3.84 / n) AS half FROM part
)
SELECT runtime, name AS class, round(bytes * 1e9 / nullif(watched.ns, 0)) AS bytes_per_s, bytes / nullif(all_bytes, 0) AS share,
       (large_bytes + coalesce(max(middle - half, 0) * all_buffers, 0)) / nullif(all_bytes, 0) AS lo_share,
       (large_bytes + coalesce(min(middle + half, 1) * all_buffers, 0)) / nullif(all_bytes, 0) AS hi_share,
       CAST(samples AS INTEGER) AS samples, CAST(large_objects AS INTEGER) AS large_objects,
       round(large_bytes * 1e9 / nullif(watched.ns, 0)) AS large_bytes_per_s, largest_bytes,
       lag_ns, round(rho, 3) AS rho, gc_class_relation.p AS p_value, slope AS promoted_per_byte, lo, hi
FROM watched, wilson LEFT JOIN temp.gc_class_relation USING (class_id)
ORDER BY runtime, bytes DESC, name
LIMIT :limit;
