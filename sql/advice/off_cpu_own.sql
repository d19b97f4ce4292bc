-- SPDX-License-Identifier: MIT
-- Threads of the target itself took its other threads' CPU.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH who AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM why_runner WHERE who = 'own'
)
SELECT 'threads of the process take the CPU from each other' AS finding, why_kind.kind, site,
       printf('%d slow calls, %.1f ms of %.1f ms off the CPU; most: %s, %.1f ms', who.calls, who.ns / 1e6,
              why_kind.ns / 1e6, comm, top.ns / 1e6) AS evidence,
       'a CPU for each thread that must not wait: pthread_setaffinity_np or taskset -cp, and the other threads '
       || 'kept off it the same way' AS advice,
       who.ns AS weight_ns
FROM who, why_kind, why_total,
     (SELECT comm, sum(ns) AS ns FROM why_runner WHERE who = 'own'
      GROUP BY comm ORDER BY 2 DESC, 1 LIMIT 1) AS top
WHERE why_kind.kind = 'off_cpu' AND who.calls >= 5 AND who.ns >= 0.03 * why_total.ns;
