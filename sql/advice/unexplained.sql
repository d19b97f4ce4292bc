-- SPDX-License-Identifier: MIT
-- Much of the time of slow calls has no cause that is known.
--
-- Speaks from: 5 slow calls with it and 25 % of the time of all slow calls.

SELECT CASE WHEN blind THEN 'nothing is known of why calls were slow' ELSE 'much of the time has no known cause' END
         AS finding,
       kind, site, printf('%s; most at %s', figures, site) AS evidence,
       CASE WHEN blind
            THEN 'the kernel''s events were not seen: record as root, or with CAP_BPF and CAP_PERFMON; mpsample doctor '
                 || 'tells what is missing'
            ELSE 'the allocator''s own work, or cache misses: look at stacks (explain --call ID; record --stack '
                 || 'dwarf), and count cache misses (perf stat -e cache-misses)'
       END AS advice,
       ns AS weight_ns
FROM why_kind, (SELECT count(*) = 0 AS blind FROM why_kind WHERE kind NOT IN ('unexplained', 'hiccup'))
WHERE kind = 'unexplained' AND calls >= 5 AND share >= 0.25;
