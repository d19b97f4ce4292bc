-- SPDX-License-Identifier: MIT
-- Waits for the lock of the process's address space: page faults and mappings of its threads meet there.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'threads wait for each other in the address space' AS finding, kind, site,
       printf('%s; %d waits, %.1f us each; %s; most at %s', figures, n, ns / 1e3 / max(n, 1),
              coalesce((SELECT value FROM session WHERE key = 'kernel'), 'kernel not known'), site) AS evidence,
       'fewer mmap, munmap, mprotect, madvise in all threads: map and touch memory at start, give none back; '
       || 'Linux 6.4 and later lock single mappings' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'mmap_lock' AND calls >= 5 AND most >= 0.03;
