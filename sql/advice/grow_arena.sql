-- SPDX-License-Identifier: MIT
-- mprotect inside a call: in glibc, an arena of a thread other than the main one, which makes its reserved memory
-- usable page by page as it grows. M_TOP_PAD is not asked there.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.
--              Not with an allocator that is known to be another one.

SELECT 'arenas of threads grow page by page' AS finding, kind, site,
       printf('%s; %d calls of mprotect, %.1f us each; most at %s', figures, n, ns / 1e3 / max(n, 1), site)
         AS evidence,
       'take and free the peak once in each thread at start, with mallopt(M_TRIM_THRESHOLD, -1), so that its arena '
       || 'stays grown; or another allocator' AS advice,
       ns AS weight_ns
FROM why_kind, why_allocator
WHERE kind = 'syscall:mprotect' AND coalesce(name, 'glibc') = 'glibc' AND calls >= 5 AND most >= 0.03;
