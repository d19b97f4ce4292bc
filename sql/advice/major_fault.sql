-- SPDX-License-Identifier: MIT
-- Page faults that had to wait for a disk: a mapped file that is not in memory, or swap. One of them costs more than a
-- thousand others: there is no share below which it is no matter.
--
-- Speaks from: 1 slow call with it.

SELECT 'calls wait for pages from a file or from swap' AS finding, kind, site,
       printf('%s; %d faults, %.1f us each; most at %s', figures, n, ns / 1e3 / max(n, 1), site) AS evidence,
       'mlockall(MCL_CURRENT|MCL_FUTURE); read mapped files at start (MAP_POPULATE, MADV_POPULATE_READ); '
       || 'no swap: swapoff -a, or memory.swap.max=0 for its cgroup' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'major_fault' AND calls >= 1;
