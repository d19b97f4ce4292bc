-- SPDX-License-Identifier: MIT
-- `explain` as CSV: one row for each of the slowest calls and each part of its time.
--
-- Parameters: :start_ns (of the recording)
-- Columns: those of rows.sql, with kind, ns, n and detail of one cause in place of `causes`.

SELECT why_call.call_id, t_ns - :start_ns AS t_ns, tid,
       coalesce((SELECT comm FROM thread WHERE thread.tid = why_call.tid AND start_ns <= why_call.t_ns
                 ORDER BY start_ns DESC LIMIT 1),
                (SELECT comm FROM thread WHERE thread.tid = why_call.tid ORDER BY start_ns LIMIT 1)) AS thread,
       (SELECT name FROM op WHERE op.op_id = why_call.op_id) AS op, size_bytes, dur_ns,
       kind, ns, n, detail,
       round(1.0 - (SELECT ns * 1.0 FROM why_part AS rest
                    WHERE rest.call_id = why_call.call_id AND rest.kind = 'unexplained')
             / nullif(dur_ns, 0), 4) AS explained_share,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = why_call.stack_id), '[no stack]') AS site
FROM why_call JOIN why_part ON why_part.call_id = why_call.call_id
ORDER BY place, kind = 'unexplained', ns DESC, kind;
