-- SPDX-License-Identifier: MIT
-- Every call, counted: one row for each second, operation, size class and duration bucket that had calls.
--
--   slot_ns       session clock: start of the second, or of the longer slot that `record --max-size` made of old ones (v_slot)
--   op            malloc, free, ...
--   size_lo_bytes, size_hi_bytes   size class, both ends included; free and delete are in the first
--   lo_ns, hi_ns  duration, both ends included; at most 1.6 % apart above 64 ns; the plane's floor is subtracted
--   calls         exact
--
-- Caveats: what was lost (v_loss, what = 'calls') is missing. With a duty below 1, calls outside the windows are not
-- in it. Durations above 2^41 ns are in the last bucket.
-- Example: SELECT op, sum(calls) FROM v_latency WHERE lo_ns >= 10000 GROUP BY op

CREATE VIEW v_latency AS
SELECT slot_ns, op.name AS op, size_class.lo_bytes AS size_lo_bytes, size_class.hi_bytes AS size_hi_bytes,
       bucket.lo_ns, bucket.hi_ns, calls
FROM latency
JOIN op USING (op_id)
JOIN size_class USING (size_class)
JOIN bucket USING (bucket);
