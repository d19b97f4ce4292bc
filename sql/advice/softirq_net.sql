-- SPDX-License-Identifier: MIT
-- Network softirqs ran on the CPU of allocation calls: packets are taken up where their interrupt came.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH which AS (
  SELECT detail, calls, ns FROM why_detail WHERE kind = 'softirq' AND detail GLOB 'net_*'
), whole AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM which
)
SELECT 'network packets are handled in the middle of calls' AS finding, why_kind.kind, site,
       printf('in %d slow calls, %.1f ms: %.1f %% of their time; most: %s, %.1f ms', whole.calls, whole.ns / 1e6,
              100.0 * whole.ns / why_total.ns, top.detail, top.ns / 1e6) AS evidence,
       'the network card''s interrupts to other CPUs (/proc/irq/N/smp_affinity_list), RPS likewise (rps_cpus); '
       || 'or NAPI in threads: echo 1 > /sys/class/net/DEV/threaded' AS advice,
       whole.ns AS weight_ns
FROM whole, why_kind, why_total, (SELECT detail, ns FROM which ORDER BY ns DESC, detail LIMIT 1) AS top
WHERE why_kind.kind = 'softirq' AND whole.calls >= 5 AND whole.ns >= 0.03 * why_total.ns;
