-- SPDX-License-Identifier: MIT
-- What the parts of the program ask of the allocator, by phase: for each card of session_phases.sql the components, those
-- that take the most time first.
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   phase, t_ns    as in session_phases.sql
--   component      'other': what no rule decides
--   share          of the time of the phase's calls that give memory out, 0 to 1
--   allocs_per_s, bytes_per_s   estimated from the kept calls
--   mean_ns        of a call
--   live_bytes     at the end of the phase, as in session_phases.sql
--
-- Caveats: no rows where there are no rules (`record --components`, `mpsample classify`).
-- Reads temporary tables of analysis/session/session.h.

SELECT CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
            THEN p.name || '#' || nth ELSE p.name END AS phase,
       p.start_ns - :start_ns AS t_ns, component.name AS component,
       time_ns / nullif(sum(time_ns) OVER (PARTITION BY n), 0) AS share,
       calls * 1e9 / nullif(covered_ns, 0) AS allocs_per_s, c.bytes * 1e9 / nullif(covered_ns, 0) AS bytes_per_s,
       time_ns / nullif(calls, 0) AS mean_ns, round(c.live_bytes) AS live_bytes
FROM temp.session_component AS c JOIN temp.session_phase AS p USING (n) JOIN component USING (component_id)
ORDER BY n, time_ns DESC, component
LIMIT :limit;
