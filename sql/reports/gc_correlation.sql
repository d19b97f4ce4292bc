-- SPDX-License-Identifier: MIT
-- What pauses go along with, slot by slot: rank correlations at the surest of the lags 0 to 10, the surest first.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   pauses      their number and their time a second, or how long one is
--   goes_with   allocation rate, live set (in use after the last collection), promotion rate, resident memory, major faults,
--               pressure on memory and on CPUs, swap
--   lag_ns      so much later pauses follow it
--   slots       in which both are known
--   free_slots  as many independent ones would say as much: what comes in a row is alike by itself
--   rho         Spearman's, -1 to 1
--   p_value     that they have nothing to do with each other, all tests of all lags taken together (Holm)
--   slope, lo, hi, unit, step   pauses by so many `unit` for each further `step`, and the 95 % confidence of that: median of
--               the slopes of all pairs (Theil, Sen)
--
-- Caveats: what goes together need not be cause and effect. analysis/stats/correlation.h has the formulas.

SELECT y AS pauses, x AS goes_with, lag * slot_ns AS lag_ns, slots, round(free_slots) AS free_slots, round(rho, 3) AS rho,
       p_all AS p_value, slope, lo, hi, unit, step
FROM temp.gc_relation, temp.gc_scope
WHERE is_best
ORDER BY p_all, p, abs(rho) DESC, y, x
LIMIT CASE WHEN :limit < 0 THEN -1 ELSE :limit END;
