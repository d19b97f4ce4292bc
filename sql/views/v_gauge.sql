-- SPDX-License-Identifier: MIT
-- What the program counts, in variables that the rules of `record --components` name ([gauge NAME]), or as it says itself
-- (MPSAMPLE_GAUGE); where both have a name, the variable's.
--
--   t_ns   session clock: looked at then, ten times a second
--   name
--   value
--
-- Caveats: what a program says between two looks but for the last of it is not here: how often it said something is in
-- v_counter (gauge_sets). A value that has not changed is written again only after a second: what was last written holds until then. Where
-- `record --max-size` needed room, rows go as those of v_pressure.
-- Example: SELECT t_ns, value FROM v_gauge WHERE name = 'orders'

CREATE VIEW v_gauge AS
SELECT t_ns, substr(name, length('gauge.') + 1) AS name, value FROM pressure WHERE name LIKE 'gauge.%';
