-- SPDX-License-Identifier: MIT
-- Softirqs that did not get done behind their interrupt took the CPU as a thread.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH who AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM why_runner WHERE who = 'ksoftirqd'
)
SELECT 'softirqs take the CPU as threads' AS finding, why_kind.kind, site,
       printf('%d slow calls, %.1f ms of %.1f ms off the CPU; most: %s, %.1f ms', who.calls, who.ns / 1e6,
              why_kind.ns / 1e6, comm, top.ns / 1e6) AS evidence,
       'move the interrupts behind them: /proc/irq/N/smp_affinity_list (irqbalance stopped), and RPS: '
       || '/sys/class/net/*/queues/rx-*/rps_cpus without this CPU' AS advice,
       who.ns AS weight_ns
FROM who, why_kind, why_total,
     (SELECT comm, sum(ns) AS ns FROM why_runner WHERE who = 'ksoftirqd'
      GROUP BY comm ORDER BY 2 DESC, 1 LIMIT 1) AS top
WHERE why_kind.kind = 'off_cpu' AND who.calls >= 5 AND who.ns >= 0.03 * why_total.ns;
