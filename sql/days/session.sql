-- SPDX-License-Identifier: MIT
-- What a session says of itself, to be put among others. One row.
--
-- Columns: real_ns, added to the session clock: ns since 1970, as it was when the recording began, NULL: not known;
--          finished; pid; lost, calls; and how it was recorded.

SELECT (SELECT real_ns - mono_ns FROM clock ORDER BY mono_ns LIMIT 1)                       AS real_ns,
       (SELECT finished FROM session_time)                                                  AS finished,
       (SELECT CAST(value AS INTEGER) FROM session WHERE key = 'pid')                       AS pid,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss WHERE what = 'calls')                 AS lost,
       (SELECT value FROM session WHERE key = 'host')                                       AS host,
       (SELECT value FROM session WHERE key = 'kernel')                                     AS kernel,
       (SELECT value FROM session WHERE key = 'cpu')                                        AS cpu,
       (SELECT value FROM session WHERE key = 'version')                                    AS version,
       (SELECT value FROM session WHERE key = 'planes')                                     AS planes,
       (SELECT value FROM session WHERE key = 'backend')                                    AS backend,
       (SELECT value FROM session WHERE key = 'probe')                                      AS probe,
       (SELECT value FROM session WHERE key = 'duty')                                       AS duty;
