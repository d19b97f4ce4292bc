-- SPDX-License-Identifier: MIT
-- Softirqs other than those of the network ran on the CPU of allocation calls.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH which AS (
  SELECT detail, calls, ns FROM why_detail WHERE kind = 'softirq' AND detail NOT GLOB 'net_*'
), whole AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM which
)
SELECT 'softirqs run in the middle of calls' AS finding, why_kind.kind, site,
       printf('in %d slow calls, %.1f ms: %.1f %% of their time; most: %s, %.1f ms', whole.calls, whole.ns / 1e6,
              100.0 * whole.ns / why_total.ns, top.detail, top.ns / 1e6) AS evidence,
       'timer, sched, rcu: nohz_full=CPU rcu_nocbs=CPU, the thread alone there; block, tasklet: that device''s '
       || 'interrupts to other CPUs (smp_affinity_list)' AS advice,
       whole.ns AS weight_ns
FROM whole, why_kind, why_total, (SELECT detail, ns FROM which ORDER BY ns DESC, detail LIMIT 1) AS top
WHERE why_kind.kind = 'softirq' AND whole.calls >= 5 AND whole.ns >= 0.03 * why_total.ns;
