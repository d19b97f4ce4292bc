-- SPDX-License-Identifier: MIT
-- The kernel's tick interrupted allocation calls.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls.

WITH which AS (
  SELECT detail, calls, ns FROM why_detail WHERE kind = 'irq' AND detail GLOB 'local_timer*'
), whole AS (
  SELECT sum(calls) AS calls, sum(ns) AS ns FROM which
)
SELECT 'the timer tick interrupts calls' AS finding, why_kind.kind, site,
       printf('in %d slow calls, %.1f ms: %.1f %% of their time; most: %s, %.1f ms', whole.calls, whole.ns / 1e6,
              100.0 * whole.ns / why_total.ns, top.detail, top.ns / 1e6) AS evidence,
       'nohz_full=CPU rcu_nocbs=CPU on the kernel command line, and one runnable thread on that CPU: then it has no '
       || 'tick' AS advice,
       whole.ns AS weight_ns
FROM whole, why_kind, why_total, (SELECT detail, ns FROM which ORDER BY ns DESC, detail LIMIT 1) AS top
WHERE why_kind.kind = 'irq' AND whole.calls >= 5 AND whole.ns >= 0.03 * why_total.ns;
