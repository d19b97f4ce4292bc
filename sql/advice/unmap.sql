-- SPDX-License-Identifier: MIT
-- The allocator gives memory back to the kernel inside a call: munmap, or madvise (MADV_DONTNEED, MADV_FREE). The
-- memory will have to be faulted in again, too.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'the allocator gives memory back in the middle of the day' AS finding, kind, site,
       printf('%s; %d calls of %s, %.1f us each; most at %s', figures, n, substr(kind, 9), ns / 1e3 / max(n, 1),
              site) AS evidence,
       CASE name
         WHEN 'glibc' THEN 'keep freed memory: mallopt(M_TRIM_THRESHOLD, -1), and mallopt(M_MMAP_MAX, 0), '
                           || 'so that large blocks are not mappings of their own'
         WHEN 'jemalloc' THEN 'keep freed memory: MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1; '
                              || 'or purge on another thread: background_thread:true'
         WHEN 'tcmalloc' THEN 'keep freed memory: TCMALLOC_RELEASE_RATE=0 (gperftools), '
                              || 'or MallocExtension::SetMemoryReleaseRate(0)'
         WHEN 'mimalloc' THEN 'keep freed memory: MIMALLOC_PURGE_DELAY=-1'
         ELSE 'keep freed memory: M_TRIM_THRESHOLD and M_MMAP_MAX (glibc), dirty_decay_ms and muzzy_decay_ms '
              || '(jemalloc), TCMALLOC_RELEASE_RATE'
       END AS advice,
       ns AS weight_ns
FROM why_kind, why_allocator
WHERE kind IN ('syscall:munmap', 'syscall:madvise') AND calls >= 5 AND most >= 0.03;
