-- SPDX-License-Identifier: MIT
-- What was lost on the way: no rows, nothing lost.
--
--   source  the buffer or limit that dropped it
--   t_ns    session clock: end of the interval in which it was lost
--   lost    how many, exact
--   what    calls: missing in every figure;  rows: counted, but not kept as rows;  events: others, such as
--           stacks, markers, page faults
--
-- Example: SELECT source, what, sum(lost) FROM v_loss GROUP BY source, what

CREATE VIEW v_loss AS
SELECT source, t_ns, lost, what FROM loss;
