-- SPDX-License-Identifier: MIT
-- Pressure on memory and CPU, on the clock of the calls and collections: beside the target, and in its runtimes.
--
--   t_ns   session clock
--   name   with its unit: rss_bytes swap_bytes minor_faults major_faults (since the recording began)
--          psi_memory_some_ns psi_memory_full_ns psi_cpu_some_ns psi_io_full_ns (of the machine, likewise)
--          cgroup_memory_bytes cgroup_high_bytes cgroup_high_events ...; RUNTIME.NAME for those of a runtime
--   value
--
-- Example: SELECT (t_ns - (SELECT start_ns FROM session_time)) / 1e9 AS t_s, value FROM v_pressure WHERE name = 'rss_bytes'

CREATE VIEW v_pressure AS
SELECT t_ns, name, value FROM pressure;
