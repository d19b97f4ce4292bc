-- SPDX-License-Identifier: MIT
-- trend.sql for people.
--
-- Parameters: :limit (-1: all)

SELECT phase, figure, CASE WHEN a_day IS NULL THEN '-' ELSE printf('%+.1f %%', 100 * a_day) END AS "a day",
       CASE WHEN lo IS NULL THEN '-' ELSE printf('%+.1f %% to %+.1f %%', 100 * lo, 100 * hi) END AS "between",
       first_text AS first, last_text AS last, days, tau, p_value
FROM trend
ORDER BY row_no
LIMIT :limit;
