-- SPDX-License-Identifier: MIT
-- What is known of the runtimes in the target: version, collector, limits.
--
--   runtime      v_gc
--   name, value  as the runtime gives them. Of hotspot: vm_version, vm_args, collector_N (what N means in v_pressure),
--                max_heap_bytes, initial_heap_bytes (not of Serial and Parallel), if it has hsperfdata
--
-- Example: SELECT * FROM v_gc_setting ORDER BY runtime, name

CREATE VIEW v_gc_setting AS
SELECT runtime, name, value FROM gc_setting;
