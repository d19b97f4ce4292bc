-- SPDX-License-Identifier: MIT
-- What to change about pools, by the figures of the recording alone: one row for each finding.
--
--   pool_id, name
--   rule          ran_dry hidden_failures double_put foreign_put not_returned cross_puts fifo_reuse spread padding split
--                 merge prefault hugepages fragmented
--   finding       what was seen, in a few words
--   site          the place in the program that has most of it; NULL: none in particular
--   evidence      the figures
--   setting       what to set, or to do
--   effect        what that should bring
--   how_to_check  what to look at after it
--   share         how much of what the pool does it is about, 0 to 1: of gets, puts, objects, memory
--
-- Speaks from: ran_dry, hidden_failures, double_put, foreign_put: 1. not_returned: of a pool that was destroyed, 1; else
-- where one object of a site is held for 10 times as long as 99 % of 10 or more others, longer than any, and for a second.
-- cross_puts: 1000 puts, 20 %. fifo_reuse: 1000 reuses, half of them, of objects that are 32 KiB apart in time. spread:
-- twice the pages, and 16 of them, more than needed. padding: up to 16 bytes above cache lines. split: 1000 gets that
-- asked for half of an object on average. merge: one pool of a size at 95 %, another one below 50 %. prefault: 4 page
-- faults. hugepages: 1024 pages. fragmented: when last looked at, a quarter of what is free, and 1 MiB.
-- Caveats: not_returned: how many of a site's objects are that old is not known, one of them is. prefault: of pages on
-- which one of the objects of v_pool_event lies: there are more. What needs a forecast, whether a pool will run dry and
-- whether it is too large, is in `mpsample report pools` only.
-- Example: SELECT name, finding, evidence, setting FROM v_pool_advice WHERE rule = 'ran_dry'

CREATE VIEW v_pool_advice AS
WITH recorded AS MATERIALIZED (
  SELECT end_ns FROM session_time
), whole AS MATERIALIZED (
  -- Sessions of older versions have no row in pool_sum.
  SELECT p.pool_id, name, source, nullif(max(capacity, 0), 0) AS capacity, nullif(max(object_bytes, 0), 0) AS object_bytes,
         destroyed_ns, coalesce(destroyed_ns, end_ns) AS end_ns,
         coalesce(gets, (SELECT CAST(total(gets) AS INTEGER) FROM pool_use u WHERE u.pool_id = p.pool_id)) AS gets,
         coalesce(failures, (SELECT CAST(total(failures) AS INTEGER) FROM pool_use u WHERE u.pool_id = p.pool_id)) AS failures,
         coalesce(in_use_max, (SELECT max(in_use_max) FROM pool_use u WHERE u.pool_id = p.pool_id)) AS in_use_max,
         puts, double_puts, foreign_puts, cross_puts, coalesce(hidden_failures, 0) AS hidden_failures, hidden_max, threads,
         reuses, lifo_reuses, fifo_reuses, reuse_depth_p50, objects, lines, lines_least, pages, pages_least, requested_bytes
  FROM pool AS p CROSS JOIN recorded LEFT JOIN pool_sum USING (pool_id)
), site AS (
  -- A site may take objects at several addresses. Then hold_p99_ns is that of the longest.
  SELECT pool_id, coalesce(site, printf('0x%x', ip)) AS site, CAST(total(gets) AS INTEGER) AS gets,
         CAST(total(holds) AS INTEGER) AS holds, max(hold_max_ns) AS hold_max_ns, max(hold_p99_ns) AS hold_p99_ns,
         CAST(total(at_high_water) AS INTEGER) AS at_high_water, CAST(total(held) AS INTEGER) AS held,
         min(CASE WHEN held > 0 THEN oldest_ns END) AS oldest_ns
  FROM pool_site LEFT JOIN stack_site USING (stack_id)
  GROUP BY 1, 2
), wrong AS (
  -- Where double and foreign puts came from, mostly.
  SELECT pool_id, kind, site, max(events) AS events
  FROM (SELECT pool_id, kind, site, count(*) AS events FROM pool_event LEFT JOIN stack_site USING (stack_id)
        WHERE kind IN ('double_put', 'foreign_put') GROUP BY 1, 2, 3)
  GROUP BY pool_id, kind
)
SELECT pool_id, name, 'ran_dry' AS rule, 'ran dry' AS finding,
       (SELECT site FROM site WHERE site.pool_id = whole.pool_id ORDER BY at_high_water DESC, site LIMIT 1) AS site,
       printf('%,d of %,d gets found no object; at most %,d were in use', failures - hidden_failures, gets + failures,
              in_use_max) || CASE WHEN capacity IS NULL THEN '' ELSE printf(' of %,d', capacity) END AS evidence,
       printf('a capacity of %,d at least: what was in use, and as many as failed in one second',
              max(in_use_max, coalesce(capacity, 0)) + (SELECT max(failures) FROM pool_use AS u
                                                        WHERE u.pool_id = whole.pool_id)) AS setting,
       'no get fails in a session like this one; report pools has the capacity for a chosen risk' AS effect,
       'record again: failures of v_pool_sum is 0, and in_use_max stays below the capacity' AS how_to_check,
       1.0 * (failures - hidden_failures) / (gets + failures) AS share
FROM whole WHERE failures > hidden_failures
UNION ALL
SELECT pool_id, name, 'hidden_failures', 'gets failed while objects were free', NULL,
       printf('%,d of %,d gets found no object, while up to %,d were free; threads that take: %,d', hidden_failures,
              gets + failures, hidden_max, threads),
       printf('smaller caches of the threads, %,d objects less in all, or a capacity of %,d: what caches hold comes on top',
              hidden_max, coalesce(capacity, in_use_max) + hidden_max),
       'what is free can be found by the thread that needs it', 'record again: hidden_failures of v_pool_sum is 0',
       1.0 * hidden_failures / (gets + failures)
FROM whole WHERE hidden_failures > 0
UNION ALL
SELECT pool_id, name, 'double_put', 'objects were put back twice', (SELECT site FROM wrong WHERE wrong.pool_id = whole.pool_id AND kind = 'double_put'),
       printf('%,d of %,d puts', double_puts, puts),
       'look at who puts it back the second time: the next two gets may be given the same object',
       'no two owners of one object', 'record again: double_puts of v_pool_sum is 0', 1.0 * double_puts / puts
FROM whole WHERE double_puts > 0
UNION ALL
SELECT pool_id, name, 'foreign_put', 'objects were put back that it never gave out', (SELECT site FROM wrong WHERE wrong.pool_id = whole.pool_id AND kind = 'foreign_put'),
       printf('%,d of %,d puts', foreign_puts, puts), 'put objects back into the pool that they came from',
       'neither this pool grows nor the other one runs dry', 'record again: foreign_puts of v_pool_sum is 0',
       1.0 * foreign_puts / puts
FROM whole WHERE foreign_puts > 0
UNION ALL
SELECT pool_id, name, 'not_returned', 'objects were not put back', site,
       printf('%,d of %,d taken there are still out, the oldest for %.1f s', held, site.gets, (whole.end_ns - oldest_ns) / 1e9)
       || CASE WHEN holds > 0 AND hold_p99_ns IS NOT NULL
               THEN printf('; of %,d that came back, 99 %% did within %.3f s', holds, hold_p99_ns / 1e9) ELSE '' END
       || CASE WHEN destroyed_ns IS NOT NULL THEN '; the pool was destroyed' ELSE '' END,
       'find the way out of this code on which the object is not put back: an error, a cancelled order',
       'what is in use comes down to where it began', 'record again: held of v_pool_site stays level',
       1.0 * held / site.gets
FROM whole JOIN site USING (pool_id)
WHERE held > 0 AND site.gets > 0
  AND (destroyed_ns IS NOT NULL
       OR (holds >= 10 AND whole.end_ns - oldest_ns > 10 * hold_p99_ns AND whole.end_ns - oldest_ns > hold_max_ns
           AND whole.end_ns - oldest_ns > 1000000000))
UNION ALL
SELECT pool_id, name, 'cross_puts', 'one thread takes, another one gives back', NULL,
       printf('%,d of %,d puts, %.1f %%, by another thread than the get; threads that take: %,d', cross_puts, puts,
              100.0 * cross_puts / puts, threads),
       'a pool for each thread that takes, and a queue on which others return objects to it',
       'objects and the head of the free list stay in one core''s cache',
       'record again: cross_puts of v_pool_sum falls; report cache shows fewer lines shared', 1.0 * cross_puts / puts
FROM whole WHERE puts >= 1000 AND cross_puts >= 0.2 * puts
UNION ALL
SELECT pool_id, name, 'fifo_reuse', 'what was put back first is taken first', NULL,
       printf('%.1f %% of %,d reuses; half of the objects wait for %,d others, %,d bytes', 100.0 * fifo_reuses / reuses,
              reuses, reuse_depth_p50, reuse_depth_p50 * object_bytes),
       'a free list that is a stack: what was put back last is taken next',
       'gets find their object in the cache instead of in memory', 'record again: lifo_reuses of v_pool_sum is most of reuses',
       1.0 * fifo_reuses / reuses
FROM whole
WHERE reuses >= 1000 AND fifo_reuses >= 0.5 * reuses AND lifo_reuses < 0.5 * reuses AND reuse_depth_p50 * object_bytes >= 32768
UNION ALL
SELECT pool_id, name, 'spread', 'objects are far apart', NULL,
       printf('%,d objects lie on %,d pages; %,d in use at most would fit on %,d', objects, pages, in_use_max, pages_least),
       'one block for all objects, cut in their order, instead of an allocation for each',
       printf('%,d pages fewer to touch, and for the TLB to hold', pages - pages_least),
       'record again: pages of v_pool_sum is near pages_least', 1 - 1.0 * pages_least / pages
FROM whole WHERE pages >= 2 * pages_least AND pages - pages_least >= 16
UNION ALL
SELECT pool_id, name, 'padding', 'objects are a little larger than cache lines', NULL,
       printf('%,d bytes: %,d more than %,d lines of 64', object_bytes, object_bytes % 64, object_bytes / 64),
       printf('fields of %,d bytes less, or what is seldom used behind a pointer: %,d bytes', object_bytes % 64,
              object_bytes - object_bytes % 64),
       printf('a line less for each object: %,d bytes fewer in the cache with %,d in use', in_use_max * 64, in_use_max),
       'lines of v_pool_sum falls', 1.0 * (object_bytes % 64) / object_bytes
FROM whole WHERE object_bytes > 64 AND object_bytes % 64 BETWEEN 1 AND 16 AND gets >= 1000
UNION ALL
SELECT pool_id, name, 'split', 'most of what is asked for is much smaller than an object', NULL,
       printf('%,d bytes an object, %,d asked for on average, by %,d gets', object_bytes, requested_bytes / gets, gets),
       printf('a second pool of objects of %,d bytes', (requested_bytes / gets + 63) / 64 * 64),
       printf('up to %,d bytes less with %,d in use', in_use_max * (object_bytes - requested_bytes / gets), in_use_max),
       'requested_bytes / gets of v_pool_sum is near object_bytes', 1 - 1.0 * requested_bytes / gets / object_bytes
FROM whole WHERE gets >= 1000 AND requested_bytes > 0 AND 2 * requested_bytes <= gets * object_bytes
UNION ALL
SELECT full.pool_id, full.name, 'merge', 'full, while another pool of this size has room', NULL,
       printf('%,d of %,d in use at most; of %s, %,d of %,d', full.in_use_max, full.capacity, spare.name, spare.in_use_max,
              spare.capacity),
       printf('one pool for both, of %,d objects', full.in_use_max + spare.in_use_max),
       printf('%,d objects less than both have now, and neither alone is the limit',
              max(full.capacity + spare.capacity - full.in_use_max - spare.in_use_max, 0)),
       'failures of v_pool_sum is 0', max(1 - 1.0 * spare.in_use_max / spare.capacity)
FROM whole AS full JOIN whole AS spare
  ON spare.pool_id <> full.pool_id AND spare.name <> full.name AND (spare.object_bytes + 63) / 64 = (full.object_bytes + 63) / 64
WHERE spare.gets > 0 AND (full.failures > 0 OR full.in_use_max >= 0.95 * full.capacity) AND full.in_use_max > 0
  AND spare.failures = 0 AND 2 * spare.in_use_max < spare.capacity AND spare.destroyed_ns IS NULL
GROUP BY full.pool_id
UNION ALL
SELECT pool_id, name, 'prefault', 'its objects were first touched while it was in use', NULL,
       printf('%,d page faults on pages of its objects', count(*)),
       'touch all pages when it is created: MAP_POPULATE, memset, or mlockall(MCL_CURRENT | MCL_FUTURE)',
       'no get waits for the kernel to find a page', 'record again: v_kernel_event has no minor_fault on them',
       1.0 * count(DISTINCT page) / max(coalesce(pages, 0), count(DISTINCT page))
FROM (SELECT DISTINCT pool_id, addr >> 12 AS page FROM pool_event WHERE addr IS NOT NULL)
JOIN (SELECT addr >> 12 AS page FROM kernel_event WHERE kind = 'minor_fault' AND addr IS NOT NULL) USING (page)
JOIN whole USING (pool_id)
GROUP BY pool_id HAVING count(*) >= 4
UNION ALL
SELECT pool_id, name, 'hugepages', 'it lies on more pages than a TLB has room for', NULL,
       printf('%,d objects on %,d pages of 4096 bytes', objects, pages),
       'huge pages for its block: madvise(MADV_HUGEPAGE) on memory aligned to 2 MiB, or hugetlbfs',
       printf('%,d entries of the TLB instead of %,d', (pages + 511) / 512, pages),
       'report cache: fewer samples with a walk of the page tables', min(pages / 8192.0, 1)
FROM whole WHERE pages >= 1024
UNION ALL
SELECT pool_id, name, 'fragmented', 'free memory is in pieces too small for what is asked for', NULL,
       printf('%,d of %,d free bytes, %.1f %%, in %,d pieces, the largest of %,d', unfit_bytes, free_bytes,
              100.0 * unfit_bytes / free_bytes, free_pieces, largest_free_bytes),
       'pools for objects that live long among short ones; glibc: a lower M_MMAP_THRESHOLD for the largest',
       'the heap grows less, and fewer calls have to ask the system for memory',
       'record again: unfit_bytes / free_bytes of v_pool_heap falls', 1.0 * unfit_bytes / free_bytes
FROM (SELECT pool_id, max(t_ns), free_bytes, unfit_bytes, free_pieces, largest_free_bytes FROM pool_heap GROUP BY pool_id)
JOIN whole USING (pool_id)
WHERE unfit_bytes >= 1048576 AND 4 * unfit_bytes >= free_bytes;
