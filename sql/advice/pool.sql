-- SPDX-License-Identifier: MIT
-- Sites that have much of the tail by what a pool avoids, and allocate few sizes: such objects can be kept in a pool.
-- It avoids what allocators do: first touches, locks, mappings, and their own work. What comes over a thread from
-- outside (off_cpu, interrupts, pages read from a disk) would come over it with a pool, too.
--
-- Speaks from: 10 % of the time of slow calls beyond the p99.9, 5 such calls, and at most 4 sizes in all kept calls of
--              the site.
-- Caveats: the number of calls is estimated from the sample; how many of the objects live at a time is not known.

WITH size AS (
  -- Sizes after the fourth of a stack are one row, -1: such a site has too many.
  SELECT coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = why_size.stack_id), '[no stack]') AS site,
         size_bytes, sum(calls) AS calls, sum(tail_calls) AS tail_calls, sum(tail_ns) AS tail_ns, sum(ns) AS ns
  FROM why_size
  WHERE stack_id IS NOT NULL
  GROUP BY 1, 2
), place AS (
  SELECT site, count(*) AS sizes, min(size_bytes) AS lowest, max(size_bytes) AS highest, sum(calls) AS calls,
         sum(tail_calls) AS tail_calls, sum(tail_ns) AS tail_ns, sum(ns) AS ns
  FROM size
  GROUP BY site
), avoided AS (
  SELECT site, sum(ns) AS ns, sum(tail_ns) AS tail_ns
  FROM why_site
  WHERE kind IN ('minor_fault', 'thp', 'lock', 'mmap_lock', 'unexplained', 'syscall:mmap', 'syscall:munmap',
                 'syscall:mremap', 'syscall:mprotect', 'syscall:brk', 'syscall:madvise', 'syscall:futex')
  GROUP BY site
)
SELECT CASE sizes WHEN 1 THEN 'one site, one size, much of the tail' ELSE 'one site, few sizes, much of the tail' END
         AS finding,
       NULL AS kind, place.site,
       printf('%d calls beyond p99.9, %.1f %% of the tail by what a pool avoids; about %.0f calls, %.1f a second, of ',
              place.tail_calls, 100.0 * min(place.tail_ns, avoided.tail_ns) / why_total.tail_ns, place.calls,
              place.calls * 1e9 / max(covered_ns, 1))
       || CASE sizes WHEN 1 THEN printf('%d bytes', highest)
                     ELSE printf('%d sizes, %d to %d bytes', sizes, lowest, highest) END AS evidence,
       printf('keep these objects in a pool of %d bytes each, filled at start; MPSAMPLE_POOL markers around it show '
              || 'how many are in use', highest) AS advice,
       min(place.ns, avoided.ns) AS weight_ns
FROM place, avoided, why_total
WHERE avoided.site = place.site AND sizes <= 4 AND lowest >= 0 AND place.site <> '[no stack]'
  AND place.tail_calls >= 5 AND min(place.tail_ns, avoided.tail_ns) >= 0.1 * why_total.tail_ns;
