-- SPDX-License-Identifier: MIT
-- What to change, and in which phase it would save the most: v_session_advice has the rules.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   phase        as in session_phases.sql
--   rule         prefault, keep, pool, leftover
--   saves_ns     of the time of the phase's calls, estimated from the kept ones; NULL: it is about memory
--   saves_bytes  that are alive; NULL: it is about time
--   finding      what was seen
--   evidence     the figures
--   advice       what to do
--   query        SQL that shows what it stands on
--
-- Caveats: what two of them would save together is not the sum.
-- Reads temporary tables of analysis/session/session.h.

SELECT CASE WHEN nth > 1 OR (SELECT count(*) FROM temp.session_phase AS same WHERE same.name = p.name AND same.nth) > 1
            THEN p.name || '#' || nth ELSE p.name END AS phase,
       rule, CAST(saves_ns AS INTEGER) AS saves_ns, CAST(saves_bytes AS INTEGER) AS saves_bytes, finding, evidence, advice, query
FROM temp.session_advice JOIN temp.session_phase AS p USING (n)
ORDER BY saves_ns IS NULL, saves_ns * 1.0 / (end_ns - start_ns) DESC, saves_bytes DESC, n, rule
LIMIT :limit;
