-- SPDX-License-Identifier: MIT
-- Figures of phases that rise or fall from day to day beyond chance (analysis/days/days.h), the surest first.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   phase, figure  as in days.sql
--   days           that have it
--   a_day_share    by so much it grows each day: the slope of Theil and Sen, of the logarithms; where a day has 0, of the
--                  figures, as a share of their median, NULL of one of 0
--   lo_share, hi_share   between these with 95 % confidence
--   first, last    what that comes to on the first and the last of these days
--   tau            Kendall's
--   p_value        that there is no trend, corrected for all that were tested: told up to 0.005

SELECT phase, figure, days, a_day AS a_day_share, lo AS lo_share, hi AS hi_share, first, last, tau, p_value
FROM trend
ORDER BY row_no
LIMIT :limit;
