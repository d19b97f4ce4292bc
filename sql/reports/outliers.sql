-- SPDX-License-Identifier: MIT
-- The slowest calls that were kept, slowest first.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :start_ns (of the recording) :tid (NULL: all)
--             :limit (-1: all)
-- Columns:
--   call_id
--   t_ns        start of the call, since the start of the recording
--   tid, thread the thread, and its name
--   op, size_bytes
--   dur_ns      the floor is subtracted
--   cause       what took most of dur_ns, as in v_cause: the whole account is in `mpsample explain`
--   explained_share  of dur_ns, what is not unexplained, 0 to 1
--   site        the first function outside the allocator, as in v_call
--   stack       functions, innermost first, joined by ' < '; ' < ...': there are more frames, ' < ?': the
--               caller of the last one is not known; NULL: no stack was taken
--
-- Caveats: complete down to the keep-over limit of the time, less the rows lost; below it, a random sample.

WITH slowest AS MATERIALIZED (
  SELECT * FROM call
  WHERE t_ns >= :from_ns AND t_ns < :to_ns AND (:tid IS NULL OR tid = :tid)
  ORDER BY dur_ns DESC, call_id LIMIT :limit
)
SELECT call_id, t_ns - :start_ns AS t_ns, tid,
       -- A tid may be used again: the thread that had it last before the call.
       coalesce((SELECT comm FROM thread WHERE thread.tid = slowest.tid AND start_ns <= slowest.t_ns
                 ORDER BY start_ns DESC LIMIT 1),
                (SELECT comm FROM thread WHERE thread.tid = slowest.tid ORDER BY start_ns LIMIT 1)) AS thread,
       op.name AS op, size_bytes, dur_ns,
       coalesce((SELECT kind FROM cause WHERE cause.call_id = slowest.call_id ORDER BY dur_ns DESC, kind LIMIT 1),
                'unexplained') AS cause,
       -- Of a call without rows nothing is known: all of it is unexplained.
       round(1.0 - CASE WHEN EXISTS (SELECT 1 FROM cause WHERE cause.call_id = slowest.call_id)
                        THEN min(max(coalesce((SELECT dur_ns FROM cause WHERE cause.call_id = slowest.call_id
                                               AND kind = 'unexplained'), 0) * 1.0 / nullif(dur_ns, 0), 0.0), 1.0)
                        ELSE 1.0 END, 4) AS explained_share,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = slowest.stack_id), '[no stack]') AS site,
       (SELECT group_concat(name, ' < ')
               || CASE max(ended) WHEN 'cut' THEN ' < ...' WHEN 'full' THEN ' < ...' WHEN 'lost' THEN ' < ?' ELSE '' END
        FROM (SELECT name, ended FROM v_stack WHERE v_stack.stack_id = slowest.stack_id ORDER BY depth)) AS stack
FROM slowest JOIN op USING (op_id)
ORDER BY dur_ns DESC, call_id;
