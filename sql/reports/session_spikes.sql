-- SPDX-License-Identifier: MIT
-- Times at which something went far above what it is in its phase: more than 8 robust spreads of its logarithm, and by half
-- at least (rates), or three times as high (p99).
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   phase      the innermost, as in session_phases.sql
--   t_ns       when it began, since the start of the recording
--   dur_ns     how long it lasted
--   series     allocs_per_s, bytes_per_s: of calls that give memory out; p99_ns: of these calls
--   level      what it is in this phase (the median of its slots)
--   peak       the highest slot
--   factor     peak / level; NULL: the level is 0
--   peak_t_ns  when the highest slot began
--   site       whose calls (bytes, time) grew the most against the phase, estimated from the kept calls; NULL: nobody's are known
--   site_share of all that grew
--
-- Caveats: found slot by slot, about a second: what is shorter shows less high. A phase of fewer than 8 slots has no level.
-- Reads temporary tables of analysis/session/session.h.

WITH grown AS (
  SELECT spike, site,
         sum(CASE series WHEN 'bytes_per_s' THEN s.bytes WHEN 'p99_ns' THEN s.time_ns ELSE s.calls END)
         - coalesce(sum(CASE series WHEN 'bytes_per_s' THEN p.bytes WHEN 'p99_ns' THEN p.time_ns ELSE p.calls END), 0)
           * (session_spike.end_ns - session_spike.start_ns) / (session_phase.end_ns - session_phase.start_ns) AS more
  FROM temp.session_spike JOIN temp.session_phase USING (n)
  JOIN temp.session_spike_stack AS s USING (spike) JOIN stack_site USING (stack_id)
  LEFT JOIN temp.session_stack AS p ON p.n = session_spike.n AND p.stack_id = s.stack_id
  GROUP BY spike, site
), first AS (
  SELECT spike, site, more, row_number() OVER (PARTITION BY spike ORDER BY more DESC, site) AS rank,
         sum(max(more, 0)) OVER (PARTITION BY spike) AS whole
  FROM grown
)
SELECT CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
            THEN p.name || '#' || nth ELSE p.name END AS phase,
       s.start_ns - :start_ns AS t_ns, s.end_ns - s.start_ns AS dur_ns, series, round(level, 1) AS level, round(value, 1) AS peak,
       value / nullif(level, 0) AS factor, peak_ns - :start_ns AS peak_t_ns, site, more / nullif(whole, 0) AS site_share
FROM temp.session_spike AS s JOIN temp.session_phase AS p USING (n)
LEFT JOIN first ON first.spike = s.spike AND first.rank = 1 AND more > 0
ORDER BY s.start_ns, s.spike
LIMIT :limit;
