-- SPDX-License-Identifier: MIT
-- What the program counts, in variables that the rules of `record --components` name ([gauge NAME]).
--
--   t_ns   session clock: read then, ten times a second
--   name
--   value
--
-- Caveats: a value that has not changed is written again only after a second: what was last written holds until then. Where
-- `record --max-size` needed room, rows go as those of v_pressure.
-- Example: SELECT t_ns, value FROM v_gauge WHERE name = 'orders'

CREATE VIEW v_gauge AS
SELECT t_ns, substr(name, length('gauge.') + 1) AS name, value FROM pressure WHERE name LIKE 'gauge.%';
