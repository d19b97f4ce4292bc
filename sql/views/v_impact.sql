-- SPDX-License-Identifier: MIT
-- What spans of work (v_span) spent in memory operations and off the CPU, and what they would have taken without: one
-- row for each name.
--
--   name
--   spans             how many
--   p50_ns p99_ns p999_ns   nearest rank: the duration that 50, 99, 99.9 % of the spans did not exceed, exact
--   max_ns
--   alloc_share fault_share off_cpu_share gc_share   of their time, 0 to 1, what was spent in allocation calls, in page
--                     faults, off the CPU, stopped by a garbage collector; of the spans that tell it. NULL: none does
--   p99_no_fault_ns p99_no_off_cpu_ns p99_no_gc_ns p99_no_alloc_ns   the p99 if that had taken no time: taken from each
--                     span, then the p99 of what is left; spans that do not tell it stay as they are. NULL: none does
--
-- Caveats: parts overlap: a page fault may be in an allocation call, so what two of them would save together is not the
-- sum. With fewer than 100 spans p99_ns is the slowest, and so on. `mpsample report impact` has more: what if each
-- allocation had taken what it usually takes, and what single causes at single sites cost. Spans above 2^45 ns, 9.8
-- hours, count as that.
-- Example: SELECT name, p99_ns, p99_no_fault_ns FROM v_impact WHERE spans >= 1000

CREATE VIEW v_impact AS
WITH whole AS (
  SELECT name, count(*) AS spans, min(max(dur_ns), (1 << 45) - 1) AS max_ns,
         total(alloc_ns) / nullif(total(CASE WHEN alloc_ns IS NOT NULL THEN dur_ns END), 0)     AS alloc_share,
         total(fault_ns) / nullif(total(CASE WHEN fault_ns IS NOT NULL THEN dur_ns END), 0)     AS fault_share,
         total(off_cpu_ns) / nullif(total(CASE WHEN off_cpu_ns IS NOT NULL THEN dur_ns END), 0) AS off_cpu_share,
         total(gc_ns) / nullif(total(CASE WHEN gc_ns IS NOT NULL THEN dur_ns END), 0)           AS gc_share
  FROM span WHERE dur_ns >= 0 GROUP BY name
), named AS MATERIALIZED (
  SELECT *, row_number() OVER (ORDER BY name) AS name_no FROM whole
), known AS MATERIALIZED (
  SELECT name_no * 8 << 45 AS base, min(dur_ns, (1 << 45) - 1) AS dur_ns, alloc_ns, fault_ns, off_cpu_ns, gc_ns,
         alloc_share, fault_share, off_cpu_share, gc_share
  FROM span JOIN named USING (name) WHERE dur_ns >= 0
), ranked AS (
  -- All that is to be ranked in one list: name, part and duration packed into one number, because SQLite sorts by one
  -- integer, and once, much faster than by columns.
  SELECT pack, row_number() OVER (ORDER BY pack) AS place
  FROM (
    SELECT base + dur_ns AS pack FROM known
    UNION ALL SELECT base + (1 << 45) + max(dur_ns - max(coalesce(fault_ns, 0), 0), 0)
              FROM known WHERE fault_share IS NOT NULL
    UNION ALL SELECT base + (2 << 45) + max(dur_ns - max(coalesce(off_cpu_ns, 0), 0), 0)
              FROM known WHERE off_cpu_share IS NOT NULL
    UNION ALL SELECT base + (3 << 45) + max(dur_ns - max(coalesce(gc_ns, 0), 0), 0)
              FROM known WHERE gc_share IS NOT NULL
    UNION ALL SELECT base + (4 << 45) + max(dur_ns - max(coalesce(alloc_ns, 0), 0), 0)
              FROM known WHERE alloc_share IS NOT NULL
  )
), list AS MATERIALIZED (
  -- Where the durations of a name and part stand in it.
  SELECT name_no, part, spans, sum(spans) OVER (ORDER BY name_no, part ROWS UNBOUNDED PRECEDING) - spans AS before
  FROM (
    SELECT name_no, 0 AS part, spans FROM named
    UNION ALL SELECT name_no, 1, spans FROM named WHERE fault_share IS NOT NULL
    UNION ALL SELECT name_no, 2, spans FROM named WHERE off_cpu_share IS NOT NULL
    UNION ALL SELECT name_no, 3, spans FROM named WHERE gc_share IS NOT NULL
    UNION ALL SELECT name_no, 4, spans FROM named WHERE alloc_share IS NOT NULL
  )
), wanted AS MATERIALIZED (
  SELECT name_no, part, q, before + (spans * q + 999) / 1000 AS place
  FROM list JOIN (SELECT 500 AS q UNION ALL SELECT 990 UNION ALL SELECT 999) ON part = 0 OR q = 990
), found AS MATERIALIZED (
  SELECT name_no, part, q, pack & ((1 << 45) - 1) AS ns FROM ranked CROSS JOIN wanted USING (place)
)
SELECT name, spans,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 0 AND q = 500) AS p50_ns,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 0 AND q = 990) AS p99_ns,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 0 AND q = 999) AS p999_ns,
       max_ns, alloc_share, fault_share, off_cpu_share, gc_share,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 1) AS p99_no_fault_ns,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 2) AS p99_no_off_cpu_ns,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 3) AS p99_no_gc_ns,
       (SELECT ns FROM found f WHERE f.name_no = named.name_no AND part = 4) AS p99_no_alloc_ns
FROM named;
