-- SPDX-License-Identifier: MIT
-- What is known of the runtimes in the target: version, collector, limits.
--
--   runtime      v_gc
--   name, value  as the runtime gives them
--
-- Example: SELECT * FROM v_gc_setting ORDER BY runtime, name

CREATE VIEW v_gc_setting AS
SELECT runtime, name, value FROM gc_setting;
