-- SPDX-License-Identifier: MIT
-- Other processes, or threads of the kernel other than work queues, took the CPU.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH who AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM why_runner WHERE who = 'other'
)
SELECT 'other processes or threads of the kernel take the CPU' AS finding, why_kind.kind, site,
       printf('%d slow calls, %.1f ms of %.1f ms off the CPU; most: %s, %.1f ms', who.calls, who.ns / 1e6,
              why_kind.ns / 1e6, comm, top.ns / 1e6) AS evidence,
       'a CPU of its own: isolcpus=CPU or cpuset.cpus.partition=isolated, and the thread pinned there (taskset -cp); '
       || 'else SCHED_FIFO: chrt -f -p 50 TID' AS advice,
       who.ns AS weight_ns
FROM who, why_kind, why_total,
     (SELECT comm, sum(ns) AS ns FROM why_runner WHERE who = 'other'
      GROUP BY comm ORDER BY 2 DESC, 1 LIMIT 1) AS top
WHERE why_kind.kind = 'off_cpu' AND who.calls >= 5 AND who.ns >= 0.03 * why_total.ns;
