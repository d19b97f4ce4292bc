-- SPDX-License-Identifier: MIT
-- What collections do to native calls and spans: those in a collection or the 10 ms after it, against the others, the surest
-- first. No rows: no calls were recorded, or fewer than 10 on either side.
--
-- Columns: as those of sql/reports/jitter_gc.sql.

SELECT what, rows_in, rows_out, in_p50_ns, out_p50_ns, in_p99_ns, out_p99_ns, round(delta, 3) AS delta, p_value
FROM temp.pattern_gc
ORDER BY p_value, what;
