-- SPDX-License-Identifier: MIT
-- How often each duration was seen: one row for each operation and power of two, from its fastest call to its slowest.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   op
--   lo_ns, hi_ns  duration, both ends included
--   calls         exact
--   share         of the operation's calls
--   bar           one # for a call, and one more each time that they double: a tail that a linear bar would hide
--
-- Reads temporary tables of analysis/jitter/jitter.h.

SELECT op.name AS op, lo_ns, hi_ns, calls,
       calls * 1.0 / sum(calls) OVER (PARTITION BY op_id) AS share,
       substr('################################################################', 1, bits) AS bar
FROM temp.jitter_step JOIN op USING (op_id)
ORDER BY op_id, lo_ns
LIMIT :limit;
