-- SPDX-License-Identifier: MIT
-- What collections cost, in words; where there are none, how to get them.
--
-- Parameters: :start_ns (of the recording) :covered_ns
-- Columns:
--   sentence
--   hotspot (G1 17.0.15): 57 pauses, 1.90 a second, 2.1 % of the time; half are longer than 2.40 ms, one of 100 than 8.11 ms
--
-- What goes together is not told to be cause and effect.

WITH placed AS (
  SELECT *, row_number() OVER (PARTITION BY runtime ORDER BY felt_ns) AS place, count(*) OVER (PARTITION BY runtime) AS n
  FROM temp.gc_pause
), run AS (
  SELECT runtime, n, total(felt_ns) AS ns, max(felt_ns) AS max_ns, total(ttsp_ns) AS ttsp_ns, count(ttsp_ns) AS ttsps,
         max(CASE WHEN place = (n + 1) / 2 THEN felt_ns END) AS p50_ns,
         max(CASE WHEN place = (n * 99 + 99) / 100 THEN felt_ns END) AS p99_ns
  FROM placed GROUP BY runtime
), sure AS (
  -- One sentence for each thing that number or length of pauses go along with; the time that they take is both.
  SELECT *, row_number() OVER (PARTITION BY y ORDER BY p_all, p, abs(rho) DESC) AS nth FROM temp.gc_relation, temp.gc_scope
  WHERE is_best AND p_all < 0.01 AND abs(rho) >= 0.3 AND y <> 'paused time'
), follows AS (
  SELECT *, row_number() OVER (ORDER BY p, rho DESC) AS nth FROM temp.gc_class_relation JOIN gc_class_name USING (class_id)
  WHERE p < 0.01 AND rho >= 0.3 AND name NOT LIKE '(%'
), length AS (
  SELECT x, rho, p_all FROM temp.gc_relation WHERE is_best AND y = 'length of pauses' AND x IN ('live set', 'allocation rate')
)
SELECT sentence FROM (
  SELECT 0 AS part, 0 AS place,
         'no collections were seen: record a JVM, CPython, Node or Go program (mpsample record --gc auto -p PID), or import the log of a JVM '
         || '(java -Xlog:gc*,safepoint:file=gc.log:time,uptime,level,tags; mpsample import gc.log -o gc.db)' AS sentence
  WHERE NOT EXISTS (SELECT 1 FROM gc)
  UNION ALL
  SELECT 0, 1, 'no collections in this part of the recording'
  WHERE EXISTS (SELECT 1 FROM gc) AND NOT EXISTS (SELECT 1 FROM gc, temp.gc_scope WHERE t_ns >= from_ns AND t_ns < now_ns)
  UNION ALL
  SELECT 1, ns, printf('%s%s: %s, %.3g a second, %s of the time', runtime,
                coalesce((SELECT printf(' (%s)', group_concat(value, ' ')) FROM (SELECT substr(value, 1, 40) AS value FROM gc_setting
                          WHERE gc_setting.runtime = run.runtime AND name IN ('collector', 'version') ORDER BY name)), ''),
                CASE n WHEN 1 THEN '1 pause' ELSE printf('%,d pauses', n) END, n * 1e9 / max(:covered_ns, 1), mp_share(ns / max(:covered_ns, 1)))
         || CASE WHEN n = 1 THEN printf('; it took %s', mp_duration(max_ns))
                 ELSE printf('; half are longer than %s, one of 100 than %s, the longest took %s', mp_duration(p50_ns), mp_duration(p99_ns), mp_duration(max_ns)) END
         || CASE WHEN ttsps > 0 AND ns > 0 THEN printf('; %s of it, the threads took to stop', mp_share(min(1, ttsp_ns / ns))) ELSE '' END
  FROM run
  UNION ALL
  SELECT 2, 0, printf('within the worst %s a pause left %s to the program, within the worst %s %s', mp_duration(a.window_ns), mp_share(a.mmu),
                      mp_duration(b.window_ns), mp_share(b.mmu))
  FROM temp.gc_mmu AS a, temp.gc_mmu AS b WHERE a.window_ns = 10000000 AND b.window_ns = 100000000
  UNION ALL
  SELECT 3, -nth, printf('each +%s goes with %+.3g %s (95 %%: %.3g to %.3g; rho %.2f, p %.2g, %d slots%s)', step, slope, unit, lo, hi, rho, p_all, slots,
                         CASE WHEN lag > 0 THEN printf(', %s later', mp_duration(lag * slot_ns)) ELSE '' END)
  FROM sure WHERE nth <= 2 AND slope IS NOT NULL AND slope <> 0 AND (slope > 0) = (rho > 0)
  UNION ALL
  SELECT 4, 0, CASE WHEN live.p_all < 0.01 AND live.rho > 0.3 AND NOT (rate.p_all < 0.01 AND abs(rate.rho) > 0.3)
                    THEN 'the length of pauses follows the live set, not the allocation rate: a smaller live set makes them shorter, a larger young generation only rarer'
                    WHEN rate.p_all < 0.01 AND rate.rho > 0.3 AND NOT (live.p_all < 0.01 AND abs(live.rho) > 0.3)
                    THEN 'the length of pauses follows the allocation rate, not the live set' END
  FROM (SELECT * FROM length WHERE x = 'live set') AS live, (SELECT * FROM length WHERE x = 'allocation rate') AS rate
  UNION ALL
  SELECT 3, -10 - nth, printf('promotion follows allocations of %s (rho %.2f, p %.2g, %d slots%s)', substr(name, 1, 80), rho, p, slots,
                              CASE WHEN lag_ns > 0 THEN printf(', %s later', mp_duration(lag_ns)) ELSE '' END)
         || CASE WHEN slope > 0 THEN printf(': each +10 MB/s of them goes with %+.3g MB/s (95 %%: %.3g to %.3g)', 10 * slope, 10 * lo, 10 * hi) ELSE '' END
  FROM follows WHERE nth <= 2
  UNION ALL
  SELECT 3, -20, printf('in %d of %d slots of %s pauses came half more often than usual, and more of what was given out moved to the old generation '
                        || '(%s, else %s): %s was %s of it then, else %s', bursts, slots, mp_duration(slot_ns), mp_share(promoted), mp_share(else_promoted),
                        substr(name, 1, 80), mp_share(burst_share), mp_share(coalesce(else_share, 0)))
  FROM (SELECT * FROM temp.gc_burst JOIN gc_class_name USING (class_id), temp.gc_scope
        ORDER BY burst_share - coalesce(else_share, 0) DESC LIMIT 1)
  WHERE burst_share >= coalesce(else_share, 0) + 0.05
  UNION ALL
  SELECT 5, 0, printf('%s: what is in use after collections grows by %s a second (95 %%: %.3g to %.3g MB/s)', runtime, mp_bytes(CAST(slope AS INTEGER)), lo / 1e6, hi / 1e6)
         || coalesce((SELECT printf('; at this rate the heap is full in %s', mp_duration(CAST(min(9e18, (max_bytes - used_after_bytes) / slope * 1e9) AS INTEGER)))
                      FROM gc JOIN gc_pool USING (gc_id), temp.gc_scope
                      WHERE gc.runtime = trend.runtime AND gc_pool.pool = trend.pool AND max_bytes > used_after_bytes AND t_ns < now_ns ORDER BY t_ns DESC LIMIT 1), '')
  FROM temp.gc_trend AS trend WHERE pool = 'heap' AND lo > 0 AND slope * (SELECT (now_ns - from_ns) / 1e9 FROM temp.gc_scope) > 1048576
  UNION ALL
  SELECT 6, 0, printf('threads waited for memory %,d times (allocation stalls: v_mark)', count(*))
  FROM mark, temp.gc_scope WHERE name = 'allocation stall' AND t_ns >= from_ns AND t_ns < now_ns HAVING count(*) > 0
  UNION ALL
  SELECT 7, 0, printf('to record this cost the program %s of CPU time (%,d probe hits, as calibrated): %s of a core', mp_duration(sum(cost_ns)), sum(events),
                      mp_share(1.0 * sum(cost_ns) / max(:covered_ns, 1)))
  FROM overhead, temp.gc_scope WHERE plane = 'gc' AND overhead.slot_ns >= from_ns AND overhead.slot_ns < now_ns HAVING sum(events) > 0
)
WHERE sentence IS NOT NULL
ORDER BY part, place DESC;
