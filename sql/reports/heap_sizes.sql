-- SPDX-License-Identifier: MIT
-- What lives at the end of the time, by size: all sites together.
--
-- Columns:
--   lo_bytes, hi_bytes   of the class, both inclusive
--   live_bytes, error_bytes, live_objects, allocs_per_s, rows   as in heap_sites.sql
--
-- Reads temporary tables of analysis/heap/heap.h.

SELECT lo_bytes, hi_bytes, CAST(round(s.live_bytes) AS INTEGER) AS live_bytes,
       CAST(round(2 * s.live_bytes_sd) AS INTEGER) AS error_bytes, CAST(round(s.live_objects) AS INTEGER) AS live_objects,
       CAST(round(born * 1e9 / (to_ns - from_ns)) AS INTEGER) AS allocs_per_s, s.rows AS rows
FROM temp.heap_size s JOIN size_class USING (size_class), temp.heap_scope
ORDER BY size_class;
