-- SPDX-License-Identifier: MIT
-- Interrupts of devices, or sent by other CPUs, came in allocation calls.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH which AS (
  SELECT detail, calls, ns FROM why_detail WHERE kind = 'irq' AND detail NOT GLOB 'local_timer*'
), whole AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM which
)
SELECT 'interrupts come in the middle of calls' AS finding, why_kind.kind, site,
       printf('in %d slow calls, %.1f ms: %.1f %% of their time; most: %s, %.1f ms', whole.calls, whole.ns / 1e6,
              100.0 * whole.ns / why_total.ns, top.detail, top.ns / 1e6) AS evidence,
       'interrupts to other CPUs: irqaffinity= on the kernel command line, /proc/irq/N/smp_affinity_list, '
       || 'irqbalance stopped or with IRQBALANCE_BANNED_CPULIST' AS advice,
       whole.ns AS weight_ns
FROM whole, why_kind, why_total, (SELECT detail, ns FROM which ORDER BY ns DESC, detail LIMIT 1) AS top
WHERE why_kind.kind = 'irq' AND whole.calls >= 5 AND whole.ns >= 0.03 * why_total.ns;
