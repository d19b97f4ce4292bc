-- SPDX-License-Identifier: MIT
-- The same at each lag.
--
-- Parameters: :limit (-1: all)
-- Columns: as those of sql/reports/gc_correlation.sql; p_alone: of this test by itself.

SELECT y AS pauses, x AS goes_with, lag * slot_ns AS lag_ns, slots, round(free_slots) AS free_slots, round(rho, 3) AS rho,
       p AS p_alone, p_all AS p_value
FROM temp.gc_relation, temp.gc_scope
ORDER BY y, x, lag
LIMIT :limit;
