-- SPDX-License-Identifier: MIT
-- The whole machine stood still: nothing of the kernel explains the time, and a control thread was stalled as well.
--
-- Speaks from: 5 slow calls with it and 3 % of the time of all slow calls, or of those beyond the p99.9.

SELECT 'the machine itself stands still' AS finding, kind, site,
       printf('%s; a control thread that does not allocate saw the same stalls', figures) AS evidence,
       'the platform: C-states (/dev/cpu_dma_latency 0, idle=poll), SMIs (hwlat tracer, BIOS settings), steal time of '
       || 'a virtual machine (a dedicated host)' AS advice,
       ns AS weight_ns
FROM why_kind
WHERE kind = 'hiccup' AND calls >= 5 AND most >= 0.03;
