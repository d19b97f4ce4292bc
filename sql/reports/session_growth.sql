-- SPDX-License-Identifier: MIT
-- How much memory one of what the program counts takes: what is alive against gauges (v_gauge), where they rise together
-- (a rank correlation of 0.9 and more over 20 looks, and a slope whose interval is above 0).
--
-- Parameters: :limit (-1: all)
-- Columns:
--   gauge
--   component    whose live bytes; NULL: all, there are no components
--   bytes_each   more alive, for one more of the gauge: the median of the slopes between all pairs of looks (Theil and Sen)
--   lo, hi       between these with 95 % confidence
--   fixed_bytes  alive where the gauge is 0
--   rho          Spearman's
--   looks        at the gauge, ten a second
--
-- Caveats: of followed blocks: with few of them (`record --track`) coarse. That they rise together does not say that one is for
-- the other: what only ever grows does so with all else that does.
-- Reads temporary tables of analysis/session/session.h.

SELECT gauge, name AS component, slope AS bytes_each, lo, hi, CAST(round(intercept) AS INTEGER) AS fixed_bytes, rho, samples AS looks
FROM temp.session_growth LEFT JOIN component USING (component_id)
ORDER BY gauge, rho DESC, component
LIMIT :limit;
