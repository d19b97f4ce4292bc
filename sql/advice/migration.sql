-- SPDX-License-Identifier: MIT
-- Threads were moved to another CPU inside allocation calls; their caches stay behind.
--
-- Speaks from: 5 slow calls with it and 1 % of the time of all slow calls, or of those beyond the p99.9: what the cold
--              caches cost afterwards is not counted.

SELECT 'threads are moved between CPUs' AS finding, kind, site,
       printf('%s; %d moves, %.1f us each; most at %s', figures, n, ns / 1e3 / max(n, 1), site) AS evidence,
       'pin the thread: pthread_setaffinity_np or taskset -cp CPU TID; one such thread a CPU, others kept off it '
       || '(isolcpus, cpuset)' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'migration' AND calls >= 5 AND most >= 0.01;
