-- SPDX-License-Identifier: MIT
-- What happened to pools, one by one.
--
--   pool_id   v_pool
--   t_ns      session clock
--   tid       the thread; NULL: of none
--   kind      empty: a get found no object (MPSAMPLE_POOL_EMPTY)
--   addr      the object; NULL: of none
--   stack_id  v_stack; NULL: no stack was taken
--
-- Example: SELECT name, t_ns, tid FROM v_pool_event JOIN v_pool USING (pool_id) WHERE kind = 'empty'

CREATE VIEW v_pool_event AS
SELECT pool_id, t_ns, tid, kind, addr, stack_id FROM pool_event;
