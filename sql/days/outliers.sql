-- SPDX-License-Identifier: MIT
-- Days of which a figure lies beyond the others (analysis/days/days.h), the farthest first.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   day, phase, figure  as in days.sql
--   value          on that day
--   expected       the median of the other days, but for further ones that lie beyond; where trend.sql has the figure, what
--                  its slope makes of that for this day
--   factor         value / expected; NULL: that is 0
--   z              how many standard deviations of these it is off their mean, of logarithms where no day has 0
--                  (analysis/stats/outlier.h)
--   p_value        of a day of chance to be as far off, corrected for all that were tested: told up to 0.005

SELECT day, phase, figure, value, expected, value / nullif(expected, 0) AS factor, z, p_value
FROM outlier JOIN day USING (day_no)
ORDER BY row_no
LIMIT :limit;
