-- SPDX-License-Identifier: MIT
-- How full pools were, second by second; exact. A second in which nothing happened to a pool has no row: it was as
-- full as at the end of its row before.
--
--   pool_id                  v_pool
--   slot_ns                  session clock: start of the second
--   in_use_min, in_use_max   objects taken out and not put back, at the second's start also. Of a pool that was
--                            created before the recording they are counted from 0 at its first get or put, and
--                            fall below 0 when objects that were taken before that are put back
--   gets, puts               in this second
--   failures                 gets that found it empty
--
-- Example: SELECT name, max(in_use_max) AS high, capacity FROM v_pool_use JOIN v_pool USING (pool_id) GROUP BY pool_id

CREATE VIEW v_pool_use AS
SELECT pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures FROM pool_use;
