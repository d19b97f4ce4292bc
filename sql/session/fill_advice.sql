-- SPDX-License-Identifier: MIT
-- What to change in which phase, from the tables of sql/session/tables.sql. Rules, and from when they speak:
--
--   prefault   page faults in kept calls of a phase, of 5 % of its time in calls that give memory out, 1 ms
--   keep       system calls that take memory from the kernel and give it back (mmap, munmap, brk, mremap, madvise), likewise
--   pool       a site with a fifth of that time, 1 ms, in a phase in which memory is given out twice as often as in the median one
--   leftover   1 MiB, and a quarter of what is alive at the end of the last phase, more than at the end of the first
--
-- saves_ns: of the phase, estimated from the kept calls; saves_bytes: that stay. The whole recording is no phase.

INSERT INTO temp.session_advice
WITH card AS (
  SELECT *, allocs * 1e9 / nullif(covered_ns, 0) AS rate FROM temp.session_phase WHERE source IS NOT NULL AND alloc_ns > 0
), median AS (
  SELECT avg(rate) AS rate FROM (
    SELECT rate, row_number() OVER (ORDER BY rate) AS place, count(*) OVER () AS n FROM card)
  WHERE place IN ((n + 1) / 2, (n + 2) / 2)
), kind AS (
  SELECT n, CASE WHEN kind IN ('minor_fault', 'major_fault', 'thp') THEN 'prefault'
                 WHEN kind IN ('syscall:mmap', 'syscall:munmap', 'syscall:brk', 'syscall:mremap', 'syscall:madvise') THEN 'keep' END AS rule,
         sum(time_ns) AS ns, sum(times) AS times
  FROM temp.session_cause GROUP BY 1, 2
), site AS (
  SELECT n, site, sum(calls) AS calls, sum(time_ns) AS ns, sum(sum(time_ns)) OVER (PARTITION BY n) AS whole_ns
  FROM temp.session_stack JOIN stack_site USING (stack_id) GROUP BY n, site
), edge AS (
  SELECT (SELECT min(n) FROM card) AS first, (SELECT max(n) FROM card) AS last
)
SELECT n, 'prefault', 'memory is touched for the first time in this phase',
       printf('%.1f ms in %d page faults, of %.1f ms in calls that give memory out', ns / 1e6, times, alloc_ns / 1e6),
       'touch it before: fill pools and containers, mlockall(MCL_CURRENT|MCL_FUTURE), and keep what is freed (glibc: M_TOP_PAD, M_TRIM_THRESHOLD -1)',
       ns, NULL,
       printf('SELECT site, sum(c.dur_ns * weight) FROM v_cause c JOIN v_call USING (call_id) WHERE kind LIKE ''%%fault'' AND t_ns BETWEEN %lld AND %lld GROUP BY 1 ORDER BY 2 DESC', start_ns, end_ns - 1)
FROM kind JOIN card USING (n) WHERE rule = 'prefault' AND ns >= 0.05 * alloc_ns AND ns >= 1e6
UNION ALL
SELECT n, 'keep', 'memory goes to the kernel and comes back in this phase',
       printf('%.1f ms in %d system calls, beside %.1f ms in calls that give memory out', ns / 1e6, times, alloc_ns / 1e6),
       'give containers their size before it, and keep what is freed (glibc: M_MMAP_THRESHOLD 32 MiB, its most, M_TRIM_THRESHOLD -1); trim after it',
       ns, NULL,
       printf('SELECT site, kind, sum(c.dur_ns * weight) FROM v_cause c JOIN v_call USING (call_id) WHERE kind LIKE ''syscall:%%'' AND t_ns BETWEEN %lld AND %lld GROUP BY 1, 2 ORDER BY 3 DESC', start_ns, end_ns - 1)
FROM kind JOIN card USING (n) WHERE rule = 'keep' AND ns >= 0.05 * alloc_ns AND ns >= 1e6
UNION ALL
SELECT n, 'pool', site || ' allocates in a burst',
       printf('%.0f %% of the time in calls that give memory out, %.1f ms in %d calls; there are %.1f times as many a second as in the median phase',
              100 * ns / whole_ns, ns / 1e6, calls, card.rate / median.rate),
       'take its objects from a pool, filled before this phase; or allocate them in another one',
       ns, NULL,
       printf('SELECT op, count(*), sum(weight), sum(weight * dur_ns) FROM v_call WHERE site = %Q AND t_ns BETWEEN %lld AND %lld GROUP BY op', site, start_ns, end_ns - 1)
FROM site JOIN card USING (n) JOIN median WHERE ns >= 0.2 * whole_ns AND ns >= 1e6 AND card.rate >= 2 * median.rate
UNION ALL
SELECT b.n, 'leftover', 'more is alive than after the first phase',
       printf('%.1f MiB at the end of this phase, %.1f after %s', b.live_bytes / 1048576.0, a.live_bytes / 1048576.0, a.name),
       'find who keeps it (report heap); release what is of the day, then malloc_trim(0)',
       NULL, b.live_bytes - a.live_bytes,
       printf('SELECT site, sum(weight * size_bytes) FROM v_block WHERE born_ns >= %lld AND ended = ''alive'' GROUP BY 1 ORDER BY 2 DESC', a.end_ns)
FROM edge JOIN card AS a ON a.n = first JOIN card AS b ON b.n = last
WHERE first < last AND b.live_bytes - a.live_bytes >= max(1048576, 0.25 * b.live_bytes);
