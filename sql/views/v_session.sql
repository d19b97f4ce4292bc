-- SPDX-License-Identifier: MIT
-- What was recorded, how, and on what: one row a key.
--
--   key, value  both text. Keys: pid command exe host kernel cpu version options start_ns end_ns duration_ns planes
--               backend probe budget duty floor_ns cost_ns keep_over_ns end_reason ... causes: which kinds of v_cause could be
--               seen, apart by spaces. Of an import: import_file import_format import_records import_unknown_records
--               import_late_records; clock: which clock its times are of
--
-- Caveats: a recorder that was killed leaves no end_ns, duration_ns and end_reason. Keys may be added.
-- Example: SELECT value FROM v_session WHERE key = 'command'

CREATE VIEW v_session AS
SELECT key, value FROM session;
