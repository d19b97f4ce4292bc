-- SPDX-License-Identifier: MIT
-- Much of the time of slow calls has no cause that is known.
--
-- Speaks from: 5 slow calls with it and 25 % of the time of all slow calls.

SELECT CASE WHEN blind THEN 'nothing is known of why calls were slow' ELSE 'much of the time has no known cause' END
         AS finding,
       kind, site, printf('%s; most at %s', figures, site) AS evidence,
       CASE WHEN blind
            THEN 'the kernel''s events were not seen: record as root or with CAP_BPF and CAP_PERFMON, and without '
                 || '--causes off; mpsample doctor tells what is missing'
            ELSE 'look at the stacks (explain --call ID); record --causes all for every system call; what is left is '
                 || 'the allocator''s own work, or cache misses (perf stat)'
       END AS advice,
       ns AS weight_ns
FROM why_kind,
     -- The key says which kinds could be seen; a hiccup is seen without the kernel's help.
     (SELECT NOT EXISTS (SELECT 1 FROM why_kind WHERE kind NOT IN ('unexplained', 'hiccup'))
             OR EXISTS (SELECT 1 FROM session WHERE key = 'causes' AND trim(value) IN ('', 'hiccup')) AS blind)
WHERE kind = 'unexplained' AND calls >= 5 AND share >= 0.25;
