-- SPDX-License-Identifier: MIT
-- Page faults inside allocation calls that the kernel serves from memory: the first touch of a page. What is touched
-- before the open does not fault after it.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'calls touch memory for the first time' AS finding, kind, site,
       printf('%s; %d faults, %.1f us each; most at %s', figures, n, ns / 1e3 / max(n, 1), site) AS evidence,
       CASE name
         WHEN 'glibc' THEN 'prefault at start: touch pools, MAP_POPULATE, mlockall(MCL_CURRENT|MCL_FUTURE); '
                           || 'mallopt M_TOP_PAD 64 MiB and M_TRIM_THRESHOLD -1 keep the heap mapped'
         WHEN 'jemalloc' THEN 'prefault at start: touch pools, mlockall(MCL_CURRENT|MCL_FUTURE); '
                              || 'MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 keeps freed pages'
         ELSE 'prefault at start: touch pools, MAP_POPULATE, mlockall(MCL_CURRENT|MCL_FUTURE); '
              || 'let the allocator keep what is freed'
       END AS advice,
       ns AS weight_ns
FROM why_kind, why_allocator
WHERE kind = 'minor_fault' AND calls >= 5 AND most >= 0.03;
