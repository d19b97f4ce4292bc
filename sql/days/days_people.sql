-- SPDX-License-Identifier: MIT
-- days.sql for people.
--
-- Parameters: :limit (-1: all)

SELECT phase, day, dur_ns, allocs_per_s, bytes_per_s, p50_ns, p99_ns, p999_ns, max_ns, alloc_share, live_bytes, faults_per_s,
       gc_pauses_per_s, gc_share, pool || printf(' %.0f %%', 100 * pool_share) AS pool_high
FROM card JOIN day USING (day_no)
ORDER BY min(place) OVER (PARTITION BY phase), phase, day_no, place
LIMIT :limit;
