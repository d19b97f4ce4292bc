-- SPDX-License-Identifier: MIT
-- Threads were stopped inside allocation calls: by a signal, a debugger or the cgroup freezer.
--
-- Speaks from: 1 slow call with it.

SELECT 'somebody stops the process' AS finding, kind, site,
       printf('%s; %d stops, %.1f ms each', figures, n, ns / 1e6 / max(n, 1)) AS evidence,
       'find who: a debugger or tracer (TracerPid in /proc/PID/status), SIGSTOP, the cgroup freezer (cgroup.freeze; '
       || 'checkpoints, backups of containers)' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'stopped' AND calls >= 1;
