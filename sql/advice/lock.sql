-- SPDX-License-Identifier: MIT
-- Waits for a lock inside allocation calls, and the futex calls that begin and end such waits: threads that share an
-- arena, or free what another thread allocated.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'threads wait for each other in the allocator' AS finding, kind, site,
       printf('%s; %d %s, %.1f us each; %d threads; most at %s', figures, n,
              CASE kind WHEN 'lock' THEN 'waits' ELSE 'futex calls' END, ns / 1e3 / max(n, 1),
              (SELECT count(*) FROM thread), site) AS evidence,
       CASE name
         WHEN 'glibc' THEN 'M_ARENA_MAX not below the threads that allocate, larger glibc.malloc.tcache_count; '
                           || 'free on the thread that allocated; or jemalloc, mimalloc'
         WHEN 'jemalloc' THEN 'MALLOC_CONF=percpu_arena:percpu, or narenas not below the threads that allocate; '
                              || 'free on the thread that allocated'
         WHEN 'tcmalloc' THEN 'larger thread caches: TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES (gperftools); '
                              || 'free on the thread that allocated'
         ELSE 'an arena or cache for each thread that allocates (glibc M_ARENA_MAX, jemalloc narenas); '
              || 'free on the thread that allocated'
       END AS advice,
       ns AS weight_ns
FROM why_kind, why_allocator
WHERE kind IN ('lock', 'syscall:futex') AND calls >= 5 AND most >= 0.03;
