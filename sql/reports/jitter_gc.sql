-- SPDX-License-Identifier: MIT
-- Jitter by garbage collections: calls and spans in the pause of a collection or the 10 ms after it, against the others,
-- the surest first. No rows: no collections were recorded, or fewer than 10 calls on either side.
--
-- Parameters: :limit (-1: the 5 surest)
-- Columns:
--   what                      an operation, or "span NAME"
--   rows_in, rows_out         kept calls, or spans, behind the figures (of very many outside, about)
--   in_p50_ns, out_p50_ns     inside and outside, weighted
--   in_p99_ns, out_p99_ns
--   delta                     Cliff's: how much likelier the slower of two is the one inside, -1 to 1; 0.15 is small, 0.33
--                             medium, 0.47 large
--   p_value                   that they do not differ (Mann-Whitney), all rows of the table taken together
--
-- Caveats: a call that is long by itself is likelier to touch a collection. Filled by analysis/patterns/patterns.c.

SELECT what, rows_in, rows_out, in_p50_ns, out_p50_ns, in_p99_ns, out_p99_ns, round(delta, 3) AS delta, p_value
FROM temp.pattern_gc
ORDER BY p_value, what
LIMIT CASE WHEN :limit < 0 THEN 5 ELSE :limit END;
