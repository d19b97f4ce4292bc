-- SPDX-License-Identifier: MIT
-- `explain`: the slowest calls, slowest first, each with its time divided among causes. Made for JSON.
--
-- Parameters: :start_ns (of the recording)
-- Columns:
--   call_id
--   t_ns            start of the call, since the start of the recording
--   tid, thread     the thread, and its name
--   op, size_bytes
--   dur_ns          the floor is subtracted
--   causes          an array of {kind, ns, n, detail}, the most time first and `unexplained` last; the ns add up to
--                   dur_ns; kinds and details as in v_cause
--   explained_share of dur_ns, 0 to 1; NULL: the call took no time
--   site            as in v_call

SELECT call_id, t_ns - :start_ns AS t_ns, tid,
       coalesce((SELECT comm FROM thread WHERE thread.tid = why_call.tid AND start_ns <= why_call.t_ns
                 ORDER BY start_ns DESC LIMIT 1),
                (SELECT comm FROM thread WHERE thread.tid = why_call.tid ORDER BY start_ns LIMIT 1)) AS thread,
       (SELECT name FROM op WHERE op.op_id = why_call.op_id) AS op, size_bytes, dur_ns,
       (SELECT json_group_array(json_object('kind', kind, 'ns', ns, 'n', n, 'detail', detail))
        FROM (SELECT * FROM why_part WHERE why_part.call_id = why_call.call_id
              ORDER BY kind = 'unexplained', ns DESC, kind)) AS causes,
       round(1.0 - (SELECT ns * 1.0 FROM why_part WHERE why_part.call_id = why_call.call_id AND kind = 'unexplained')
             / nullif(dur_ns, 0), 4) AS explained_share,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = why_call.stack_id), '[no stack]') AS site
FROM why_call
ORDER BY place;
