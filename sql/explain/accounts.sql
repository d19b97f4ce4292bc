-- SPDX-License-Identifier: MIT
-- `explain` for people: a line for each of the slowest calls, slowest first:
--
--   #5081 at 14.965781 s, me-engine/22927, malloc 40 B: 214.3 us = 180.1 off_cpu (ran: kworker/1:2/61)
--   + 24.0 syscall:mmap + 3.1 minor_fault (2) + 7.1 unexplained; site client_tag_create
--
-- Parameters: :start_ns (of the recording)
-- Columns: one, the line.
-- Caveats: parts below half of the last digit are left out, and digits are rounded: the figures are in JSON and CSV.

WITH named AS (
  SELECT why_call.*, op.name AS op, max(t_ns - :start_ns, :start_ns - t_ns) AS after_ns,
         coalesce((SELECT comm FROM thread WHERE thread.tid = why_call.tid AND start_ns <= why_call.t_ns
                   ORDER BY start_ns DESC LIMIT 1),
                  (SELECT comm FROM thread WHERE thread.tid = why_call.tid ORDER BY start_ns LIMIT 1), '?') AS thread,
         coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = why_call.stack_id), '[no stack]') AS site,
         CASE WHEN dur_ns < 10000000 THEN 1e3 WHEN dur_ns < 10000000000 THEN 1e6 ELSE 1e9 END AS unit_ns,
         CASE WHEN dur_ns < 10000000 THEN 'us' WHEN dur_ns < 10000000000 THEN 'ms' ELSE 's' END AS unit
  FROM why_call LEFT JOIN op ON op.op_id = why_call.op_id
)
SELECT printf('#%d at %s%d.%06d s, %s/%d, %s', call_id, CASE WHEN t_ns < :start_ns THEN '-' ELSE '' END,
              after_ns / 1000000000, after_ns % 1000000000 / 1000, thread, tid, coalesce(op, '?'))
       || CASE WHEN op IN ('free', 'delete') THEN ''
               WHEN size_bytes < 10240 THEN printf(' %d B', size_bytes)
               WHEN size_bytes < 10485760 THEN printf(' %.1f KiB', size_bytes / 1024.0)
               ELSE printf(' %.1f MiB', size_bytes / 1048576.0) END
       || printf(': %.1f %s = ', dur_ns / unit_ns, unit)
       || (SELECT group_concat(printf('%.1f %s', ns / unit_ns, kind)
                               || CASE WHEN n > 1 AND detail IS NOT NULL THEN printf(' (%d; %s)', n, detail)
                                       WHEN n > 1 THEN printf(' (%d)', n)
                                       WHEN detail IS NOT NULL THEN printf(' (%s)', detail)
                                       ELSE '' END, ' + ')
           FROM (SELECT * FROM why_part
                 WHERE why_part.call_id = named.call_id AND (ns * 20 >= unit_ns OR kind = 'unexplained')
                 ORDER BY kind = 'unexplained', ns DESC, kind))
       || '; site ' || site AS account
FROM named
ORDER BY place;
