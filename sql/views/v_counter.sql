-- SPDX-License-Identifier: MIT
-- Exact counts by second.
--
--   slot_ns      session clock: start of the second
--   name, value  how often in that second
--
-- Example: SELECT name, sum(value) FROM v_counter GROUP BY name

CREATE VIEW v_counter AS
SELECT slot_ns, name, value FROM counter;
