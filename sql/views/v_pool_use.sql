-- SPDX-License-Identifier: MIT
-- How full pools were, second by second; exact. A second in which nothing happened to a pool has no row: it was as
-- full as at the end of its row before.
--
--   pool_id                  v_pool
--   slot_ns                  session clock: start of the second, or of the longer slot that `record --max-size` made
--   in_use_min, in_use_max   objects taken out and not put back, at the second's start also. Of a pool that was
--                            created before the recording they are counted from 0 at its first get or put, and
--                            fall below 0 when objects that were taken before that are put back
--   gets, puts               in this second; also puts of what was not out (v_pool_event), which leave the rest as it is
--   failures                 gets that found it empty
--   in_use_last              at the second's end
--   in_use_bytes_max         bytes asked for by the gets of what was out; NULL: not told
--
-- Example: SELECT name, max(in_use_max) AS high, capacity FROM v_pool_use JOIN v_pool USING (pool_id) GROUP BY pool_id

CREATE VIEW v_pool_use AS
SELECT pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures, in_use_last, in_use_bytes_max FROM pool_use;
