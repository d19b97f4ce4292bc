-- SPDX-License-Identifier: MIT
-- Executable mappings of the target.
--
--   path, build_id        build_id in lower-case hex, NULL when the file has none
--   start_addr, end_addr  in the target; the end is exclusive
--   file_offset           bytes into the file at start_addr
--   t_ns                  session clock: when it was mapped, or first seen
--
-- Example: SELECT path, build_id FROM v_module ORDER BY start_addr

CREATE VIEW v_module AS
SELECT path, build_id, start_addr, end_addr, file_offset, t_ns FROM module;
