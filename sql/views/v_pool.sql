-- SPDX-License-Identifier: MIT
-- Pools of objects that the program allocates beforehand (MPSAMPLE_POOL_CREATE): one row for each time that one was
-- created.
--
--   pool_id       what v_pool_use and v_pool_event name it by
--   name          cut to 47 bytes; "pool 0x..." of one that was created before the recording
--   address       the pointer by which the program identifies it
--   capacity      objects; NULL: created before the recording
--   object_bytes  size of an object; NULL: likewise
--   created_ns    session clock; NULL: likewise
--
-- Example: SELECT name, capacity * object_bytes AS bytes FROM v_pool

CREATE VIEW v_pool AS
SELECT pool_id, name, address, capacity, object_bytes, created_ns FROM pool;
