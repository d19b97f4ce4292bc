-- SPDX-License-Identifier: MIT
-- Executable mappings of the target.
--
--   path, build_id        build_id in lower-case hex, NULL when the file has none
--   start_addr, end_addr  in the target; the end is exclusive
--   file_offset           bytes into the file at start_addr
--   t_ns                  session clock: when it was mapped, or first seen
--   bias                  run-time address minus the address in the file's symbol table; NULL: the file was not readable
--   note                  why its names or stacks are poorer than they could be; NULL: nothing is known to be missing
--
-- Example: SELECT path, build_id FROM v_module ORDER BY start_addr

CREATE VIEW v_module AS
SELECT path, build_id, start_addr, end_addr, file_offset, t_ns, bias, note FROM module;
