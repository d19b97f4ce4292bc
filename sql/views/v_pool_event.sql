-- SPDX-License-Identifier: MIT
-- What happened to pools, one by one.
--
--   pool_id   v_pool
--   t_ns      session clock
--   tid       the thread; NULL: of none
--   kind      empty: a get found no object
--             high_water: more were out than ever before: the most of a second in which that was so
--             double_put: of an object that was in the pool already; double_get: of one that was out already
--             foreign_put: of one that this pool never gave out
--             not_returned: objects were out when the pool was destroyed
--             grown: it has more room than before
--   addr      the object; NULL: of none
--   stack_id  v_stack; NULL: no stack was taken. Of the get's or put's place in the program, not of this one time
--   n         high_water: objects out; empty: free objects that it did not find; not_returned: objects; grown: the capacity;
--             foreign_put: of many at once, how many were too many; NULL: one
--
-- Example: SELECT name, t_ns, tid FROM v_pool_event JOIN v_pool USING (pool_id) WHERE kind = 'empty'

CREATE VIEW v_pool_event AS
SELECT pool_id, t_ns, tid, kind, addr, stack_id, n FROM pool_event;
