-- SPDX-License-Identifier: MIT
-- Parts of a collection, where the runtime shows them.
--
--   gc_id         v_gc
--   name          in the runtime's words
--   t_ns, dur_ns  session clock
--
-- Example: SELECT name, sum(dur_ns) FROM v_gc_phase GROUP BY name ORDER BY 2 DESC

CREATE VIEW v_gc_phase AS
SELECT gc_id, name, t_ns, dur_ns FROM gc_phase;
