-- SPDX-License-Identifier: MIT
-- What to change, and in which phase of the trading session it would save the most: one row for each finding.
--
--   phase_id, phase  v_phase
--   rule         prefault keep pool leftover
--   site         the place in the program that it is about; NULL: none in particular
--   saves_ns     of the time of the phase's calls, estimated from the kept ones; NULL: it is about memory
--   saves_bytes  that are alive; NULL: it is about time
--   share        of the time of the phase's calls that give memory out, or of what is alive at its end, 0 to 1
--   finding      what was seen, in a few words
--   evidence     the figures
--   advice       what to do
--   query        SQL that shows what it stands on
--
-- Speaks from: prefault: page faults in kept calls of a phase that take 5 % of the time of its calls that give memory out, and 1 ms.
-- keep: system calls that take memory from the kernel and give it back (mmap, munmap, brk, mremap, madvise), likewise. pool: a
-- site with a fifth of that time, 1 ms, in a phase in which memory is given out twice as often as in the median one. leftover:
-- 1 MiB, and a quarter of what is alive at the end of the last phase, more than at the end of the first.
-- Caveats: sessions of versions before 0.2 and imports, which have no slots (v_slot), have no rows. What two of them would save
-- together is not the sum. No phases, no rows: mpsample report session judges by phases
-- that it finds itself, too, and by a part of the recording.
-- Example: SELECT phase, finding, evidence, advice FROM v_session_advice ORDER BY saves_ns DESC

CREATE VIEW v_session_advice AS
WITH card AS MATERIALIZED (
  SELECT *, row_number() OVER (ORDER BY start_ns, end_ns DESC, phase_id) AS n, allocs * 1e9 / nullif(covered_ns, 0) AS rate
  FROM phase_card WHERE alloc_ns > 0
), median AS (
  SELECT avg(rate) AS rate FROM (
    SELECT rate, row_number() OVER (ORDER BY rate) AS place, count(*) OVER () AS n FROM card)
  WHERE place IN ((n + 1) / 2, (n + 2) / 2)
), burst AS MATERIALIZED (
  SELECT phase_id, card.rate / median.rate AS times FROM card JOIN median WHERE card.rate >= 2 * median.rate
), kind AS MATERIALIZED (
  SELECT phase_id, CASE is_keep WHEN 1 THEN 'keep' ELSE 'prefault' END AS rule, total(time_ns) AS ns, CAST(total(times) AS INTEGER) AS times
  FROM (SELECT phase_id, kind LIKE 'syscall:%' AS is_keep, time_ns, times FROM phase_cause
        WHERE kind IN ('minor_fault', 'major_fault', 'thp', 'syscall:mmap', 'syscall:munmap', 'syscall:brk', 'syscall:mremap', 'syscall:madvise'))
  GROUP BY phase_id, is_keep
), site AS (
  SELECT phase_id, site, CAST(total(calls) AS INTEGER) AS calls, total(time_ns) AS ns, sum(total(time_ns)) OVER (PARTITION BY phase_id) AS whole_ns
  FROM (SELECT phase_id, stack_id, total(calls) AS calls, total(time_ns) AS time_ns FROM phase_kept
        WHERE phase_id IN (SELECT phase_id FROM burst) GROUP BY phase_id, stack_id)
  JOIN stack_site USING (stack_id) GROUP BY phase_id, site
), edge AS (
  SELECT (SELECT min(n) FROM card) AS first, (SELECT max(n) FROM card) AS last
)
SELECT phase_id, name AS phase, 'prefault' AS rule, NULL AS site, ns AS saves_ns, NULL AS saves_bytes, min(1, ns / alloc_ns) AS share,
       'memory is touched for the first time in this phase' AS finding,
       printf('%.1f ms in %d page faults, of %.1f ms in calls that give memory out', ns / 1e6, times, alloc_ns / 1e6) AS evidence,
       'touch it before: fill pools and containers, mlockall(MCL_CURRENT|MCL_FUTURE), and keep what is freed (glibc: M_TOP_PAD, M_TRIM_THRESHOLD -1)' AS advice,
       printf('SELECT site, sum(c.dur_ns * weight) FROM v_cause c JOIN v_call USING (call_id) WHERE kind LIKE ''%%fault'' AND t_ns BETWEEN %lld AND %lld GROUP BY 1 ORDER BY 2 DESC', start_ns, end_ns - 1) AS query
FROM kind JOIN card USING (phase_id) WHERE rule = 'prefault' AND ns >= 0.05 * alloc_ns AND ns >= 1e6
UNION ALL
SELECT phase_id, name, 'keep', NULL, ns, NULL, min(1, ns / alloc_ns), 'memory goes to the kernel and comes back in this phase',
       printf('%.1f ms in %d system calls, beside %.1f ms in calls that give memory out', ns / 1e6, times, alloc_ns / 1e6),
       'give containers their size before it, and keep what is freed (glibc: M_MMAP_THRESHOLD 32 MiB, its most, M_TRIM_THRESHOLD -1); trim after it',
       printf('SELECT site, kind, sum(c.dur_ns * weight) FROM v_cause c JOIN v_call USING (call_id) WHERE kind LIKE ''syscall:%%'' AND t_ns BETWEEN %lld AND %lld GROUP BY 1, 2 ORDER BY 3 DESC', start_ns, end_ns - 1)
FROM kind JOIN card USING (phase_id) WHERE rule = 'keep' AND ns >= 0.05 * alloc_ns AND ns >= 1e6
UNION ALL
SELECT phase_id, name, 'pool', site, ns, NULL, ns / whole_ns, site || ' allocates in a burst',
       printf('%.0f %% of the time in calls that give memory out, %.1f ms in %d calls; there are %.1f times as many a second as in the median phase',
              100 * ns / whole_ns, ns / 1e6, calls, burst.times),
       'take its objects from a pool, filled before this phase; or allocate them in another one',
       printf('SELECT op, count(*), sum(weight), sum(weight * dur_ns) FROM v_call WHERE site = %Q AND t_ns BETWEEN %lld AND %lld GROUP BY op', site, start_ns, end_ns - 1)
FROM site JOIN card USING (phase_id) JOIN burst USING (phase_id) WHERE ns >= 0.2 * whole_ns AND ns >= 1e6
UNION ALL
SELECT b.phase_id, b.name, 'leftover', NULL, NULL, after.live_bytes - before.live_bytes, (after.live_bytes - before.live_bytes) / after.live_bytes,
       'more is alive than after the first phase',
       printf('%.1f MiB at the end of this phase, %.1f after %s', after.live_bytes / 1048576.0, before.live_bytes / 1048576.0, a.name),
       'find who keeps it (report heap); release what is of the day, then malloc_trim(0)',
       printf('SELECT site, sum(weight * size_bytes) FROM v_block WHERE born_ns >= %lld AND ended = ''alive'' GROUP BY 1 ORDER BY 2 DESC', a.end_ns)
FROM edge CROSS JOIN card AS a ON a.n = first CROSS JOIN card AS b ON b.n = last
CROSS JOIN phase_live AS before ON before.phase_id = a.phase_id CROSS JOIN phase_live AS after ON after.phase_id = b.phase_id
WHERE first < last AND after.live_bytes - before.live_bytes >= max(1048576, 0.25 * after.live_bytes);
