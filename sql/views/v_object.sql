-- SPDX-License-Identifier: MIT
-- Allocations that samples fell into.
--
--   object_id   for v_sample
--   addr, size_bytes
--   born_ns     session clock: its allocation returned
--   died_ns     its release began; NULL: alive at the end
--   tid         the thread that allocated it
--   stack_id    of its allocation, for v_stack; NULL: no stack was taken
--   site        as in v_call
--
-- Caveats: allocations that no sample fell into are not here.
-- Example: SELECT site, count(*), sum(size_bytes) FROM v_object GROUP BY site

CREATE VIEW v_object AS
SELECT object_id, addr, size_bytes, born_ns, died_ns, tid, stack_id,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = object.stack_id), '[no stack]') AS site
FROM object;
