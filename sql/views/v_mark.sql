-- SPDX-License-Identifier: MIT
-- Things that happened in the target or to the recording: exec, fork, exit, MPSAMPLE_MARK, mpsample mark, ...
--
--   t_ns          session clock
--   tid           NULL: of no thread
--   name, detail
--
-- Example: SELECT * FROM v_mark ORDER BY t_ns

CREATE VIEW v_mark AS
SELECT t_ns, tid, name, detail FROM mark;
