-- SPDX-License-Identifier: MIT
-- The session object of every report: what was recorded, and how. One row.
--
-- Columns: pid; command; duration_ns, of a recorder that was killed up to its last sign of life; planes; backend;
-- probe; end_reason, NULL when the recorder was killed.

SELECT CAST((SELECT value FROM session WHERE key = 'pid') AS INTEGER) AS pid,
       (SELECT value FROM session WHERE key = 'command')              AS command,
       coalesce(CAST((SELECT value FROM session WHERE key = 'duration_ns') AS INTEGER),
                (SELECT end_ns - start_ns FROM session_time))         AS duration_ns,
       (SELECT value FROM session WHERE key = 'planes')               AS planes,
       (SELECT value FROM session WHERE key = 'backend')              AS backend,
       (SELECT value FROM session WHERE key = 'probe')                AS probe,
       (SELECT CASE WHEN finished THEN coalesce((SELECT value FROM session WHERE key = 'end_reason'), 'stopped') END
        FROM session_time)                                            AS end_reason;
