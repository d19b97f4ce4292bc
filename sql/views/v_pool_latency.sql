-- SPDX-License-Identifier: MIT
-- How long gets and puts of pools took, and how long objects were held: every one, counted.
--
--   pool_id       v_pool
--   slot_ns       session clock: start of the second, or of the longer slot that `record --max-size` made
--   what          get, put: where functions are probed; the plane's floor is subtracted. hold: from get to put,
--                 counted where it ends
--   lo_ns, hi_ns  both ends included; at most 1.6 % apart above 64 ns
--   count         exact
--
-- Example: SELECT name, sum(count) FROM v_pool_latency JOIN v_pool USING (pool_id) WHERE what = 'hold' AND lo_ns > 1e9 GROUP BY pool_id

CREATE VIEW v_pool_latency AS
SELECT pool_id, slot_ns, what, bucket.lo_ns, bucket.hi_ns, count FROM pool_latency JOIN bucket USING (bucket);
