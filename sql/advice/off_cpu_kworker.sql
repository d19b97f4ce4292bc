-- SPDX-License-Identifier: MIT
-- Work queues of the kernel took the CPU: kworker/uN:M serves work that any CPU may do, kworker/CPU:M work of that CPU.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH who AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM why_runner WHERE who = 'kworker'
)
SELECT 'work queues of the kernel take the CPU' AS finding, why_kind.kind, site,
       printf('%d slow calls, %.1f ms of %.1f ms off the CPU; most: %s, %.1f ms', who.calls, who.ns / 1e6,
              why_kind.ns / 1e6, comm, top.ns / 1e6) AS evidence,
       'kworker/u*: take the CPU out of /sys/devices/virtual/workqueue/cpumask; kworker/CPU:*: '
       || 'isolcpus=domain,managed_irq,CPU, larger vm.stat_interval' AS advice,
       who.ns AS weight_ns
FROM who, why_kind, why_total,
     (SELECT comm, sum(ns) AS ns FROM why_runner WHERE who = 'kworker'
      GROUP BY comm ORDER BY 2 DESC, 1 LIMIT 1) AS top
WHERE why_kind.kind = 'off_cpu' AND who.calls >= 5 AND who.ns >= 0.03 * why_total.ns;
