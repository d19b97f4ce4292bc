-- SPDX-License-Identifier: MIT
-- The figures behind the strip: one row for each second and operation that had calls.
--
-- Parameters: :from_ns :to_ns (session clock, starts of seconds, the end exclusive) :start_ns (of the recording)
--             :limit (-1: all)
-- Columns:
--   t_ns    start of the second, since the start of the recording
--   op, calls, p50_ns, p99_ns, max_ns
--
-- Caveats: with few calls in a second its p99 is its maximum.

SELECT slot_ns - :start_ns AS t_ns, op, calls, p50_ns, p99_ns, max_ns
FROM v_second
WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
ORDER BY slot_ns, op
LIMIT :limit;
