-- SPDX-License-Identifier: MIT
-- The slots that calls, counters and losses are counted by: about a second each; where `record --max-size` has rolled old
-- ones up, 10 s, 1 min, 10 min or 1 h. One row each, one follows the other.
--
--   slot_ns  session clock: start of the slot, as in v_latency, v_second, v_counter, v_pool_use, v_overhead
--   dur_ns   how long it is: calls of v_second by second are calls * 1e9 / dur_ns
--
-- Caveats: no rows in sessions of versions before 0.2 and of imports: there slots are a second.
-- Example: SELECT v_second.slot_ns, calls * 1e9 / dur_ns AS calls_per_s FROM v_second JOIN v_slot USING (slot_ns)

CREATE VIEW v_slot AS
SELECT slot_ns, dur_ns FROM slot;
