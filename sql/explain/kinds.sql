-- SPDX-License-Identifier: MIT
-- `explain`: what all slow calls of the range were slow by: one row a cause, the most time first.
--
-- Columns:
--   kind        as in v_cause
--   calls       slow calls (as in v_outlier) with this cause
--   n           how often, over all of them
--   total_ns    time by this cause
--   share       of the time of all slow calls, 0 to 1: the rows add up to 1
--   tail_share  of the time of those at or above the p99.9 of their operation, 0 to 1; NULL: there are none

SELECT kind, calls, n, ns AS total_ns, round(share, 4) AS share, round(tail_share, 4) AS tail_share
FROM why_kind
ORDER BY ns DESC, kind;
