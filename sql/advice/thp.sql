-- SPDX-License-Identifier: MIT
-- Page faults that were given a huge page: the kernel clears 2 MiB, and may compact memory first.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'calls wait for huge pages to be cleared' AS finding, kind, site,
       printf('%s; %d faults, %.1f us each; most at %s', figures, n, ns / 1e3 / max(n, 1), site) AS evidence,
       'madvise or never in /sys/kernel/mm/transparent_hugepage/enabled, defer+madvise in .../defrag; '
       || 'or have them at start: touch, then MADV_COLLAPSE' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'thp' AND calls >= 5 AND most >= 0.03;
