-- SPDX-License-Identifier: MIT
-- What runtimes gave out memory for, by the class of the objects. HotSpot, recorded by probes, only: where a thread gets a
-- buffer to allocate from (TLAB), and where an object gets memory of its own.
--
--   slot_ns       v_slot
--   runtime       v_gc
--   class         as the source has it: java.lang.String, byte[], Order$Leg[]. (unknown): its name could not be read;
--                 (other): the 63 that were given most in a slot have rows of their own, and the first 4096 of a session
--   object_bytes  objects with memory of their own: they have this power of two and more bytes, and less than the next.
--                 NULL: buffers of threads
--   events        such objects or buffers
--   bytes         of them
--
-- Caveats: objects with memory of their own are all counted. A buffer counts for the class of the object for which the one
-- before it had no room: large ones are that as much more often as they are larger, so that shares of bytes are right on
-- average, and of n buffers within about 2 sqrt(share (1 - share) / n) of what they are. That is a sample of bytes, not a
-- count of objects. Where counting was given up for the budget, there are no rows from then on.
--
-- Example: SELECT class, sum(bytes) AS bytes, sum(iif(object_bytes IS NULL, 0, bytes)) AS large_bytes
--          FROM v_gc_class GROUP BY class ORDER BY bytes DESC LIMIT 10

CREATE VIEW v_gc_class AS
SELECT slot_ns, runtime, name AS class, nullif(object_bytes, 0) AS object_bytes, events, bytes
FROM gc_class JOIN gc_class_name USING (class_id);
