-- SPDX-License-Identifier: MIT
-- What is known of the runtimes in the target: version, collector, limits.
--
--   runtime      v_gc
--   name, value  version, collector (G1 Parallel Serial Z ...), and others as the runtime gives them. Of hotspot, if it
--                has hsperfdata: vm_args, collector_N (what N means in v_pressure), max_heap_bytes, initial_heap_bytes
--                (not of Serial and Parallel); of go: GOGC, GOMEMLIMIT
--
-- Example: SELECT * FROM v_gc_setting ORDER BY runtime, name

CREATE VIEW v_gc_setting AS
SELECT runtime, name, value FROM gc_setting;
