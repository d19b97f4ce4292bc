-- SPDX-License-Identifier: MIT
-- The cards of a session for the comparison of many: figures of sql/reports/session_phases.sql, as numbers.
--
-- Columns: place; name; nth, 0 of the whole; source; the figures, in the order of analysis/days/private.h;
--          and what they are counted from: allocs, faults, pauses; pool, the fullest one.
-- Reads temporary tables of analysis/session/session.h.

SELECT p.n AS place, p.name, coalesce(nth, 0) AS nth, source,
       p.end_ns - p.start_ns AS dur_ns,
       allocs * 1e9 / nullif(covered_ns, 0) AS allocs_per_s, bytes * 1e9 / nullif(covered_ns, 0) AS bytes_per_s,
       p50_ns, p99_ns, p999_ns, max_ns, alloc_ns / nullif(covered_ns, 0) AS alloc_share,
       round(live_bytes) AS live_bytes,
       faults * 1e9 / (p.end_ns - p.start_ns) AS faults_per_s,
       CASE WHEN EXISTS (SELECT 1 FROM gc) THEN coalesce(pauses, 0) * 1e9 / (p.end_ns - p.start_ns) END AS gc_pauses_per_s,
       CASE WHEN EXISTS (SELECT 1 FROM gc) THEN coalesce(stopped_ns, 0) * 1.0 / (p.end_ns - p.start_ns) END AS gc_share,
       pool.share AS pool_share,
       allocs, faults, pauses, pool.name AS pool
FROM temp.session_phase AS p
LEFT JOIN temp.session_pool AS pool ON pool.n = p.n AND pool.rank = 1
LEFT JOIN temp.session_fault AS fault ON fault.n = p.n
LEFT JOIN temp.session_pause AS pause ON pause.n = p.n
ORDER BY p.n;
