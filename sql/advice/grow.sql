-- SPDX-License-Identifier: MIT
-- The allocator asks the kernel for memory inside a call: mmap or brk.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'the allocator asks the kernel for memory in the middle of the day' AS finding, kind, site,
       printf('%s; %d calls of %s, %.1f us each; most at %s', figures, n, substr(kind, 9), ns / 1e3 / max(n, 1),
              site) AS evidence,
       CASE name
         WHEN 'glibc' THEN 'mallopt: M_TOP_PAD 64 MiB grows in large steps, M_MMAP_THRESHOLD 32 MiB keeps large '
                           || 'blocks in the heap; take and free the peak at start'
         WHEN 'jemalloc' THEN 'take and free the peak at start, and keep it: '
                              || 'MALLOC_CONF=retain:true,dirty_decay_ms:-1,muzzy_decay_ms:-1'
         WHEN 'tcmalloc' THEN 'take and free the peak at start, and keep it: TCMALLOC_RELEASE_RATE=0 (gperftools)'
         WHEN 'mimalloc' THEN 'reserve at start: MIMALLOC_RESERVE_OS_MEMORY=SIZE, and keep it: MIMALLOC_PURGE_DELAY=-1'
         ELSE 'take and free the peak at start, and let the allocator keep it: M_TOP_PAD, M_TRIM_THRESHOLD '
              || '(glibc), dirty_decay_ms (jemalloc)'
       END AS advice,
       ns AS weight_ns
FROM why_kind, why_allocator
WHERE kind IN ('syscall:mmap', 'syscall:brk') AND calls >= 5 AND most >= 0.03;
