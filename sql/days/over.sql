-- SPDX-License-Identifier: MIT
-- What a report of many days is over. One row.
--
-- Parameters: :phase (NULL: all) :day (weekday, calendar: by which trends count) :trends :values (how many were tested) :level
-- Columns: days; first, last: of them; phase: the one that was asked for; day; trends_tested, values_tested; level: over all of both.

SELECT count(*) AS days, (SELECT day FROM day ORDER BY day_no LIMIT 1) AS first,
       (SELECT day FROM day ORDER BY day_no DESC LIMIT 1) AS last, :phase AS phase, :day AS day,
       :trends AS trends_tested, :values AS values_tested, :level AS level
FROM day;
