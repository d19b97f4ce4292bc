-- SPDX-License-Identifier: MIT
-- The recorder took the CPU: it is there no longer when nobody records.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH who AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM why_runner WHERE who = 'recorder'
)
SELECT 'the recorder itself takes the CPU' AS finding, why_kind.kind, site,
       printf('%d slow calls, %.1f ms of %.1f ms off the CPU', who.calls, who.ns / 1e6, why_kind.ns / 1e6) AS evidence,
       'record from a CPU that the process does not use: taskset -c CPU mpsample record ...' AS advice,
       who.ns AS weight_ns
FROM who, why_kind, why_total
WHERE why_kind.kind = 'off_cpu' AND who.calls >= 5 AND who.ns >= 0.03 * why_total.ns;
