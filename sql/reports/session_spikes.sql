-- SPDX-License-Identifier: MIT
-- Times at which something went far above what it is in its phase: by the rule of v_spike, also for found phases, and for the
-- part of the recording that was asked for.
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   phase      the innermost, as in session_phases.sql
--   t_ns       when it began, since the start of the recording
--   dur_ns     how long it lasted
--   series     as in v_spike
--   level      what it is in this phase (the median of its slots)
--   peak       the highest slot
--   factor     peak / level; NULL: the level is 0
--   peak_t_ns  when the highest slot began
--   site       whose calls (bytes, time) grew the most against the phase, estimated from the kept calls; NULL: nobody's are known
--   site_share of all that grew
--   first      the site whose own rate (of calls; of bytes; of p99_ns, their time) went above its own level first, before
--              the spike, in its phase, or in its first slot; first_component: its part of the program, mostly; NULL: kept calls do not tell
--   first_t_ns when, since the start of the recording
--   lead_ns    from then until the highest slot began; 0: within that slot
--
-- A site's level is its rate in the phase outside of all spikes. It moved where the sum of what it was above half as much
-- again begins to rise (Page, Biometrika 41, 1954), from 10 s before the spike on; said only where more kept calls show it
-- than chance would.
--
-- Caveats: none of pool_in_use: who takes from a pool is in v_pool_site. Found slot by slot, about a second: what is shorter shows less high. A phase of fewer than 8 slots has no level.
-- Reads temporary tables of analysis/session/session.h.

WITH grown AS (
  SELECT spike, site,
         sum(CASE WHEN series IN ('bytes_per_s', 'gc_pause', 'faults_per_s') THEN s.bytes WHEN series = 'p99_ns' THEN s.time_ns ELSE s.calls END)
         - coalesce(sum(CASE WHEN series IN ('bytes_per_s', 'gc_pause', 'faults_per_s') THEN p.bytes WHEN series = 'p99_ns' THEN p.time_ns ELSE p.calls END), 0)
           * (session_spike.end_ns - session_spike.start_ns) / (session_phase.end_ns - session_phase.start_ns) AS more
  FROM temp.session_spike JOIN temp.session_phase USING (n)
  JOIN temp.session_spike_stack AS s USING (spike) JOIN stack_site USING (stack_id)
  LEFT JOIN temp.session_stack AS p ON p.n = session_spike.n AND p.stack_id = s.stack_id
  WHERE series NOT LIKE 'pool_in_use:%'
  GROUP BY spike, site
), most AS (
  SELECT spike, site, more, row_number() OVER (PARTITION BY spike ORDER BY more DESC, site) AS rank,
         sum(max(more, 0)) OVER (PARTITION BY spike) AS whole
  FROM grown
), quiet AS (
  -- How long each phase was without a spike.
  SELECT n, sum(dur_ns) AS dur_ns FROM temp.session_slot AS slot
  WHERE NOT EXISTS (SELECT 1 FROM temp.session_spike AS s WHERE slot_ns >= s.start_ns AND slot_ns < s.end_ns)
  GROUP BY n
), calm AS MATERIALIZED (
  SELECT n, site, sum(calls) * 1.0 / dur_ns AS calls, sum(bytes) * 1.0 / dur_ns AS bytes, sum(time_ns) * 1.0 / dur_ns AS time_ns
  FROM temp.session_calm JOIN stack_site USING (stack_id) JOIN quiet USING (n) GROUP BY n, site
), move AS MATERIALIZED (
  -- What a site did, and how much of it one kept call stands for.
  SELECT spike, s.n, site, step, sum(rows) AS rows,
         sum(CASE series WHEN 'bytes_per_s' THEN bytes WHEN 'gc_pause' THEN bytes WHEN 'faults_per_s' THEN bytes
                         WHEN 'p99_ns' THEN time_ns ELSE calls END) AS did,
         CASE series WHEN 'bytes_per_s' THEN 2 WHEN 'gc_pause' THEN 2 WHEN 'faults_per_s' THEN 2 WHEN 'p99_ns' THEN 3 ELSE 1 END AS what,
         (s.start_ns - 10000000000) + step * 25000000 AS t_ns, slot.slot_ns + slot.dur_ns AS until_ns
  FROM temp.session_move JOIN temp.session_spike AS s USING (spike) JOIN stack_site USING (stack_id)
  JOIN temp.session_slot AS slot ON slot.slot_ns = s.start_ns
  WHERE series NOT LIKE 'pool_in_use:%'
    AND (s.start_ns - 10000000000) + step * 25000000 >= (SELECT p.start_ns FROM temp.session_phase AS p WHERE p.n = s.n)
  GROUP BY spike, site, step
), summed AS (
  SELECT move.*, coalesce(CASE what WHEN 1 THEN calm.calls WHEN 2 THEN calm.bytes ELSE calm.time_ns END, 0) AS level,
         sum(did) OVER whole / sum(rows) OVER whole AS each,
         sum(did) OVER (PARTITION BY spike, move.site ORDER BY step ROWS UNBOUNDED PRECEDING) - did AS before,
         sum(did) OVER whole AS whole
  FROM move LEFT JOIN calm USING (n, site)
  WINDOW whole AS (PARTITION BY spike, move.site)
), least AS (
  -- With min() the other columns are those of the row that has it: where what follows rises the most.
  SELECT spike, site, t_ns, until_ns, level, each, whole - before AS after,
         min(before - (1.5 * level + each / 1e9) * (t_ns - until_ns)) AS least
  FROM summed GROUP BY spike, site
), mover AS (
  SELECT spike, site, t_ns, row_number() OVER (PARTITION BY spike ORDER BY t_ns, after - level * (until_ns - t_ns) DESC, site) AS rank
  FROM least
  WHERE after - level * (until_ns - t_ns) > 5 * sqrt(level * (until_ns - t_ns) * each) + 4 * each
        AND after > 1.5 * level * (until_ns - t_ns)
)
SELECT CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
            THEN p.name || '#' || nth ELSE p.name END AS phase,
       s.start_ns - :start_ns AS t_ns, s.end_ns - s.start_ns AS dur_ns, series, round(level, 1) AS level, round(value, 1) AS peak,
       value / nullif(level, 0) AS factor, peak_ns - :start_ns AS peak_t_ns,
       most.site, more / nullif(whole, 0) AS site_share, mover.site AS first,
       (SELECT component.name FROM temp.session_move AS m JOIN stack_site USING (stack_id) JOIN component USING (component_id)
        WHERE m.spike = s.spike AND stack_site.site = mover.site
        GROUP BY 1 ORDER BY total(rows) DESC LIMIT 1) AS first_component,
       mover.t_ns - :start_ns AS first_t_ns, max(0, peak_ns - mover.t_ns) AS lead_ns
FROM temp.session_spike AS s JOIN temp.session_phase AS p USING (n)
LEFT JOIN most ON most.spike = s.spike AND most.rank = 1 AND more > 0
LEFT JOIN mover ON mover.spike = s.spike AND mover.rank = 1
ORDER BY s.start_ns, s.spike
LIMIT :limit;
