-- SPDX-License-Identifier: MIT
-- `explain --call`: the time of the call, divided: one row a cause, the most time first, `unexplained` last.
--
-- Columns: kind, total_ns, n, detail as in v_cause; share: of the call's duration, 0 to 1.

SELECT kind, ns AS total_ns, n, round(ns * 1.0 / nullif(dur_ns, 0), 4) AS share, detail
FROM why_part JOIN why_call ON why_call.call_id = why_part.call_id
ORDER BY kind = 'unexplained', ns DESC, kind;
