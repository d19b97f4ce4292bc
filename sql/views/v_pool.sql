-- SPDX-License-Identifier: MIT
-- Pools of objects: those that the program tells of by markers, whose functions `record --pools` names, and those
-- that are known without (`mpsample list profiles`). One row for each time that one was created.
--
--   pool_id       what the other views of pools name it by
--   name          cut to 47 bytes; "pool 0x..." of one that was created by a marker before the recording
--   address       the pointer by which the program identifies it; NULL: pools that are told apart by the size of their
--                 objects, or one alone
--   capacity      objects; NULL: it has no limit, or it is not known (created before the recording, say)
--   object_bytes  size of an object; NULL: of any size, or not known
--   created_ns    session clock; NULL: before the recording
--   destroyed_ns  session clock; NULL: it was there at the end
--   source        markers, the profile's name, or the user's file
--
-- Example: SELECT name, capacity * object_bytes AS bytes FROM v_pool

CREATE VIEW v_pool AS
SELECT pool_id, name, address, capacity, object_bytes, created_ns, destroyed_ns, source FROM pool;
