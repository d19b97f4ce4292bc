-- SPDX-License-Identifier: MIT
-- The figures behind the strip: one row for each second and operation that had calls; where `record --max-size` has rolled
-- seconds up, for each slot (v_slot).
--
-- Parameters: :start_ns (of the recording) :limit (-1: all)
-- Columns:
--   t_ns    start of the second, since the start of the recording
--   op, calls, p50_ns, p99_ns, max_ns
--
-- Caveats: with few calls in a second its p99 is its maximum.
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT key - :start_ns AS t_ns, op.name AS op, calls, p50_ns, p99_ns, max_ns
FROM temp.jitter_spread JOIN op USING (op_id)
WHERE kind = 'slot'
ORDER BY key, op.name
LIMIT :limit;
