-- SPDX-License-Identifier: MIT
-- The phases of the trading session side by side: a card for each time that one was, after that of the whole recording.
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   phase          its name, NAME#2 the second time of one that came several times (as for --phase); (all)
--   t_ns           when it began, since the start of the recording
--   dur_ns
--   source         marker, calendar, mark (v_phase); found: none were told, and the rate of allocations changes there;
--                  NULL of the whole
--   allocs_per_s   calls that give memory out, exact; where not all of the time was watched (v_overhead), of that that was
--   bytes_per_s    that they were asked for
--   p50_ns p99_ns p999_ns max_ns   of these calls
--   alloc_share    their time, of one CPU's
--   live_bytes     at its end, of the blocks that were born in the recording: an estimate where blocks are a sample
--                  (v_block); NULL: none were followed
--   faults_per_s   page faults of the process, to the next look at it (v_pressure, once a second); NULL: not looked at
--   gc_pauses, gc_ns   how often, and how long the program was stopped by collectors; NULL: none was recorded
--   pool_high      the fullest pool, and how full of its capacity it was; NULL: there are none
--   top_component  with its share of the allocations' time; NULL: no rules
--   top_site       likewise, estimated from the kept calls
--   top_cause      what of the kept calls' time has a cause: the largest, with its share of what has one
--
-- Caveats: counted by the slot: one in which a phase changes is all of the phase that its middle lies in; recordings with
-- --phases, and marks, split slots where phases change; after a marker of the program a slot ends within a moment.
-- Reads temporary tables of analysis/session/session.h.

WITH site AS (
  SELECT n, site, sum(time_ns) AS time_ns, row_number() OVER (PARTITION BY n ORDER BY sum(time_ns) DESC, site) AS rank,
         sum(sum(time_ns)) OVER (PARTITION BY n) AS whole_ns
  FROM temp.session_stack JOIN stack_site USING (stack_id) GROUP BY n, site
), part AS (
  SELECT n, name, time_ns, row_number() OVER (PARTITION BY n ORDER BY time_ns DESC, name) AS rank,
         sum(time_ns) OVER (PARTITION BY n) AS whole_ns
  FROM temp.session_component JOIN component USING (component_id)
), cause AS (
  SELECT n, kind, time_ns, row_number() OVER (PARTITION BY n ORDER BY time_ns DESC, kind) AS rank,
         sum(time_ns) OVER (PARTITION BY n) AS whole_ns
  FROM temp.session_cause
)
SELECT CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
            THEN p.name || '#' || nth ELSE p.name END AS phase,
       p.start_ns - :start_ns AS t_ns, p.end_ns - p.start_ns AS dur_ns, source,
       allocs * 1e9 / nullif(covered_ns, 0) AS allocs_per_s, bytes * 1e9 / nullif(covered_ns, 0) AS bytes_per_s,
       p50_ns, p99_ns, p999_ns, max_ns, alloc_ns / nullif(covered_ns, 0) AS alloc_share,
       round(live_bytes) AS live_bytes,
       faults * 1e9 / (p.end_ns - p.start_ns) AS faults_per_s,
       CASE WHEN EXISTS (SELECT 1 FROM gc) THEN coalesce(pauses, 0) END AS gc_pauses,
       CASE WHEN EXISTS (SELECT 1 FROM gc) THEN coalesce(stopped_ns, 0) END AS gc_ns,
       pool.name || printf(' %.0f %%', 100 * pool.share) AS pool_high,
       part.name || printf(' %.0f %%', 100 * part.time_ns / part.whole_ns) AS top_component,
       site.site || printf(' %.0f %%', 100 * site.time_ns / site.whole_ns) AS top_site,
       cause.kind || printf(' %.0f %%', 100 * cause.time_ns / cause.whole_ns) AS top_cause
FROM temp.session_phase AS p
LEFT JOIN site ON site.n = p.n AND site.rank = 1
LEFT JOIN part ON part.n = p.n AND part.rank = 1
LEFT JOIN cause ON cause.n = p.n AND cause.rank = 1
LEFT JOIN temp.session_pool AS pool ON pool.n = p.n AND pool.rank = 1
LEFT JOIN temp.session_fault AS fault ON fault.n = p.n
LEFT JOIN temp.session_pause AS pause ON pause.n = p.n
ORDER BY p.n
LIMIT :limit;
