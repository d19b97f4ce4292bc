-- SPDX-License-Identifier: MIT
-- What to change about garbage collections, by the figures of the recording alone: one row for each finding.
--
--   runtime       v_gc
--   rule          young_size heap_too_small heap_resizes ihop collector explicit humongous top_class safepoint (hotspot) gogc (go)
--                 semi_space (v8) freeze threshold (cpython) memory_pressure
--   finding       what was seen, in a few words
--   evidence      the figures
--   setting       what to set, with its value
--   effect        what that should bring, computed from this recording
--   how_to_check  what to look at after it
--   query         SQL that shows what it stands on
--   share         of the paused time that it is about, 0 to 1
--   measure       the figure that the setting is to change; NULL: there is none, and no figures
--                   young_per_minute full_per_minute explicit_full_per_minute humongous_per_minute failed_per_minute
--                   cycles_per_minute scavenges_per_minute gen0_per_minute gen2_per_minute: collections
--                   resizes_per_minute: changes of committed_bytes of the heap      p99_ns: of the pauses
--   before        it is so now; predicted: it should be so with the setting
--
-- Pauses are as the threads feel them: stopped_ns of v_gc, or dur_ns where that is not known.
-- Speaks from: 5 seconds between the first and the last pause of the runtime; and young_size: 10 young pauses, more than one
-- a second, memory for half as many, and less than 2 full collections that nobody asked for: a larger young generation leaves
-- less to the old one. heap_too_small: in use after collections above 70 % of the most, or 2 full
-- collections that nobody asked for. heap_resizes: the heap changed its size 3 times. ihop: G1 found no place for objects, or
-- collected everything, once. collector: 20 pauses, a p99 of 10 ms. explicit: 1. humongous: 3. top_class: 30 % of
-- what fills eden, seen by 30 samples; and 10 young pauses, one a second. safepoint: 10 pauses, half of
-- the stopped time in stopping, 1 ms once. gogc: 10 cycles, one a second. semi_space: 20 scavenges, two a second. freeze: 3
-- collections of generation 2, 30 % of the paused time. threshold: 100 of generation 0, ten a second. memory_pressure: 10 ms
-- of waiting for memory, a third of it near pauses; or swap and 10 major faults.
-- Caveats: effects take for granted that the program goes on as it did. The fill law that young_size stands on, a young pause
-- whenever eden is full, holds within 6 % (G1) and 1 % (Parallel, Serial).
-- Example: SELECT finding, evidence, setting, effect FROM v_gc_advice ORDER BY share DESC

CREATE VIEW v_gc_advice AS
WITH pause AS MATERIALIZED (
  SELECT gc_id, t_ns, runtime, coalesce(kind, '?') AS kind, coalesce(cause, '') AS cause, ttsp_ns, bytes_since_last,
         dur_ns, max(coalesce(stopped_ns, dur_ns), 0) AS felt_ns,
         runtime = 'hotspot' AND (kind = 'young' OR kind = 'mixed' OR kind = 'concurrent-start') AS is_young,
         runtime = 'hotspot' AND (kind = 'full' OR kind LIKE 'degenerated%') AS is_full,
         cause LIKE '%System.gc()%' AS is_explicit,
         row_number() OVER (PARTITION BY runtime ORDER BY coalesce(stopped_ns, dur_ns)) AS place,
         count(*) OVER (PARTITION BY runtime) AS n
  FROM gc WHERE is_pause
), run AS MATERIALIZED (
  -- The recording of a runtime goes from its first to its last collection.
  SELECT runtime, count(*) AS pauses, total(felt_ns) AS felt_ns, max(felt_ns) AS max_ns,
         max(CASE WHEN place = (n * 99 + 99) / 100 THEN felt_ns END) AS p99_ns,
         max(CASE WHEN place = (n + 1) / 2 THEN felt_ns END) AS p50_ns,
         (max(t_ns) - min(t_ns)) / 1e9 AS s, min(t_ns) AS first_ns, max(t_ns) AS last_ns
  FROM pause GROUP BY runtime HAVING s >= 5
), heap AS MATERIALIZED (
  SELECT runtime, t_ns, gc_id, used_after_bytes AS used, committed_bytes, max_bytes, gc.kind = 'full' AS is_full
  FROM gc JOIN gc_pool USING (gc_id) WHERE pool = 'heap'
), java AS MATERIALIZED (
  -- One row, where there is a JVM. live: in use after the last full collections; without them the least after any in the last
  -- third of the time, for what young collections leave is not all alive.
  SELECT run.*,
         (SELECT CASE WHEN v LIKE '%g1%' THEN 'G1' WHEN v LIKE '%shen%' THEN 'Shenandoah' WHEN v LIKE 'z%' THEN 'Z'
                      WHEN v LIKE '%parallel%' OR v LIKE 'ps%' THEN 'Parallel'
                      WHEN v LIKE '%serial%' OR v LIKE 'copy%' OR v LIKE 'marksweep%' THEN 'Serial' END
          FROM (SELECT coalesce((SELECT value FROM gc_setting WHERE runtime = 'hotspot' AND name = 'collector'),
                                (SELECT CASE WHEN pool LIKE 'G1%' THEN 'G1' WHEN pool LIKE 'PS%' THEN 'Parallel'
                                             WHEN pool LIKE 'Tenured%' THEN 'Serial' WHEN pool LIKE 'Z%' THEN 'Z'
                                             WHEN pool LIKE 'Shen%' THEN 'Shenandoah' END AS by_pool
                                 FROM gc_pool WHERE by_pool IS NOT NULL LIMIT 1)) AS v)) AS collector,
         (SELECT CAST(value AS INTEGER) FROM gc_setting WHERE runtime = 'hotspot' AND name = 'version') AS version,
         coalesce((SELECT CAST(value AS INTEGER) FROM gc_setting WHERE runtime = 'hotspot' AND name = 'max_heap_bytes'),
                  (SELECT max(max_bytes) FROM heap WHERE runtime = 'hotspot')) AS max_bytes,
         coalesce((SELECT max(used) FROM heap WHERE runtime = 'hotspot' AND is_full),
                  (SELECT min(used) FROM heap WHERE runtime = 'hotspot' AND t_ns >= last_ns - (last_ns - first_ns) / 3)) AS live_bytes,
         coalesce((SELECT (max(value) - min(value)) / nullif((max(t_ns) - min(t_ns)) / 1e9, 0) FROM pressure WHERE name = 'hotspot.allocated_bytes'),
                  (SELECT total(bytes_since_last) FROM gc WHERE runtime = 'hotspot' AND t_ns > first_ns) / s) AS alloc_per_s,
         (SELECT count(*) FROM pause WHERE is_young AND t_ns > first_ns) AS youngs,
         (SELECT total(felt_ns) FROM pause WHERE is_young) AS young_ns
  FROM run WHERE runtime = 'hotspot'
), young AS (
  -- A pause each 10 s, or as seldom as half of the heap that is not alive allows. Eden is 8 tenths of the young generation.
  SELECT *, youngs / s AS rate,
         min(10.0 * alloc_per_s, CASE WHEN max_bytes > live_bytes THEN 0.5 * 0.8 * (max_bytes - live_bytes) ELSE 10.0 * alloc_per_s END) AS eden_bytes
  FROM java WHERE collector IN ('G1', 'Parallel', 'Serial') AND youngs >= 10 AND alloc_per_s > 0
), full AS (
  SELECT count(*) AS n, total(felt_ns) AS ns, max(felt_ns) AS max_ns FROM pause WHERE is_full AND NOT is_explicit AND cause NOT LIKE 'Metadata%'
), resized AS (
  SELECT total(committed_bytes <> before) AS n, min(committed_bytes) AS least, max(committed_bytes) AS most
  FROM (SELECT committed_bytes, lag(committed_bytes) OVER (ORDER BY t_ns, gc_id) AS before FROM heap
        WHERE runtime = 'hotspot' AND committed_bytes IS NOT NULL)
), failed AS (
  SELECT count(DISTINCT gc_id) AS n, total(felt_ns) AS ns
  FROM pause
  WHERE cause = 'G1 Compaction Pause'
        OR gc_id IN (SELECT gc_id FROM gc_phase WHERE name = 'to-space exhausted' OR name = 'evacuation failure')
), promoted AS (
  SELECT total(max(used_after_bytes - used_before_bytes, 0)) AS bytes
  FROM pause JOIN gc_pool USING (gc_id) WHERE pool LIKE '%old%' OR pool LIKE 'tenured%'
), filling AS (
  -- Full collections a second in a heap of three times what is alive. Two thirds of it are old, which leaves as much as is alive
  -- for what moves there, and Parallel and Serial collect it when that is full; the others while there is still room. A heap that
  -- begins smaller (-Xms) would be collected whole to grow.
  SELECT CASE WHEN collector IN ('Parallel', 'Serial') THEN promoted.bytes / s / nullif(live_bytes, 0) ELSE 0 END AS filled
  FROM java, promoted
), marked AS (
  SELECT max(dur_ns) / 1e9 AS s FROM gc WHERE NOT is_pause AND kind LIKE 'concurrent-%cycle'
), start AS (
  -- So full may G1 be when it begins to mark: what moves there meanwhile, half more, and the young generation still fit.
  SELECT CAST(max(10, min(45, 90.0 * (max_bytes - coalesce((SELECT max(used_before_bytes) FROM gc_pool WHERE pool = 'G1 Eden Space'), 0)
                                  - 1.5 * coalesce(marked.s, 1) * promoted.bytes / java.s) / max_bytes)) AS INTEGER) AS percent
  FROM java, promoted, marked
), asked AS (
  -- Those that stop the threads for all of it: others are what a collector that marks beside the program makes of them.
  SELECT count(*) AS n, total(felt_ns) AS ns, max(felt_ns) AS max_ns FROM pause WHERE is_explicit AND is_full
), huge AS (
  -- As large as a region is told to be; else one of 2048, rounded up to a power of two (JDK 16 and later; before, down).
  SELECT count(*) AS n, total(felt_ns) AS ns,
         coalesce((SELECT n * CASE lower(substr(text, length(n) + 1, 1)) WHEN 'k' THEN 1024 WHEN 'm' THEN 1048576 ELSE 1 END
                   FROM (SELECT text, CAST(text AS INTEGER) AS n FROM (
                     SELECT substr(value, instr(value, 'G1HeapRegionSize=') + 17) AS text FROM gc_setting
                     WHERE runtime = 'hotspot' AND name = 'vm_args' AND value LIKE '%G1HeapRegionSize=%'))),
                  1048576 * (SELECT CASE WHEN gib > 32 THEN 32 WHEN gib > 16 THEN 16 WHEN gib > 8 THEN 8 WHEN gib > 4 THEN 4 WHEN gib > 2 THEN 2 ELSE 1 END
                             FROM (SELECT max_bytes / 1073741824.0 AS gib FROM java))) AS region_bytes
  FROM pause WHERE cause = 'G1 Humongous Allocation'
), given AS MATERIALIZED (
  -- By class, and what of it G1 would call humongous: objects of half a region and more.
  SELECT name, total(bytes) / (SELECT total(bytes) FROM gc_class) AS share, CAST(total(events) AS INTEGER) AS events,
         total(iif(2 * object_bytes >= region_bytes, bytes, 0)) / (SELECT total(bytes) FROM gc_class) AS huge_share,
         CAST(total(iif(2 * object_bytes >= region_bytes, events, 0)) AS INTEGER) AS huge_objects,
         total(bytes) AS bytes, total(iif(2 * object_bytes >= region_bytes, bytes, 0)) AS huge_bytes
  FROM gc_class JOIN gc_class_name USING (class_id), huge WHERE runtime = 'hotspot' GROUP BY name
), eden AS (
  -- What fills eden: humongous objects of G1 do not.
  SELECT given.*, CASE WHEN collector = 'G1' THEN (bytes - huge_bytes) / nullif((SELECT total(bytes - huge_bytes) FROM given), 0) ELSE share END AS of_eden
  FROM given, java
), hugest AS (
  SELECT group_concat(text, ', ') AS text, max(iif(nth = 1, name, NULL)) AS name
  FROM (SELECT name, row_number() OVER (ORDER BY huge_share DESC, name) AS nth,
               printf('%s %.1f MB/s in %d objects', substr(name, 1, 80), huge_share * alloc_per_s / 1e6, huge_objects) AS text
        FROM given, java WHERE huge_objects > 0 ORDER BY nth LIMIT 3)
), stop AS (
  SELECT count(*) AS n, total(felt_ns) AS felt_ns, total(ttsp_ns) AS ttsp_ns, max(ttsp_ns) AS max_ns, total(ttsp_ns > dur_ns) AS longer
  FROM pause WHERE runtime = 'hotspot' AND ttsp_ns IS NOT NULL
), go AS (
  -- Each kind of pause comes once a cycle.
  SELECT run.*, (SELECT max(n) FROM (SELECT count(*) AS n FROM pause WHERE runtime = 'go' GROUP BY kind)) AS cycles,
         coalesce((SELECT CAST(value AS INTEGER) FROM gc_setting WHERE runtime = 'go' AND name = 'GOGC'), 100) AS gogc,
         (SELECT value FROM pressure WHERE name = 'go.heap_goal_bytes' ORDER BY t_ns DESC LIMIT 1) AS goal_bytes
  FROM run WHERE runtime = 'go'
), gogc AS (
  -- A cycle each 5 s, but no more than 16 times the room that it has.
  SELECT *, cycles / s AS rate, goal_bytes / (1 + gogc / 100.0) AS live_bytes,
         CAST(gogc * min(16, 5 * cycles / s) AS INTEGER) / 10 * 10 AS wanted
  FROM go WHERE gogc > 0 AND cycles >= 10 AND cycles >= s
), room AS (
  -- What V8 gave out between two scavenges, MiB.
  SELECT mib, row_number() OVER (ORDER BY mib) AS place, count(*) OVER () AS n
  FROM (SELECT kind, (used_before_bytes - lag(used_after_bytes) OVER (ORDER BY t_ns, gc_id)) / 1048576.0 AS mib
        FROM pause JOIN gc_pool USING (gc_id) WHERE runtime = 'v8' AND pool = 'heap')
  WHERE kind = 'scavenge' AND mib > 0
), v8 AS (
  -- mib: of a semi-space as large as V8 has made it, a power of two: half of it or more is given out, the rest is what survived.
  -- It grows to its limit (16 MiB by default) only where much survives.
  SELECT run.*, (SELECT count(*) FROM pause WHERE runtime = 'v8' AND kind = 'scavenge') AS scavenges,
         (SELECT total(felt_ns) FROM pause WHERE runtime = 'v8' AND kind = 'scavenge') AS ns,
         coalesce((SELECT CASE WHEN mib <= 1 THEN 1 WHEN mib <= 2 THEN 2 WHEN mib <= 4 THEN 4 WHEN mib <= 8 THEN 8 WHEN mib <= 16 THEN 16
                               WHEN mib <= 32 THEN 32 WHEN mib <= 64 THEN 64 ELSE 128 END
                   FROM room WHERE place = (n + 1) / 2), 16) AS mib
  FROM run WHERE runtime = 'v8'
), semi AS (
  SELECT *, scavenges / s AS rate, CASE WHEN scavenges / s >= 4 THEN 8 ELSE 4 END * mib AS wanted FROM v8
), py AS (
  SELECT run.*, (SELECT count(*) FROM pause WHERE runtime = 'cpython' AND kind = 'gen0') AS gen0,
         (SELECT count(*) FROM pause WHERE runtime = 'cpython' AND kind = 'gen1') AS gen1,
         (SELECT total(felt_ns) FROM pause WHERE runtime = 'cpython' AND kind = 'gen0') AS gen0_ns,
         (SELECT count(*) FROM pause WHERE runtime = 'cpython' AND kind = 'gen2') AS gen2,
         (SELECT total(felt_ns) FROM pause WHERE runtime = 'cpython' AND kind = 'gen2') AS gen2_ns,
         (SELECT max(felt_ns) FROM pause WHERE runtime = 'cpython' AND kind = 'gen2') AS gen2_max_ns,
         coalesce((SELECT CAST(value AS INTEGER) FROM gc_setting WHERE runtime = 'cpython' AND name LIKE 'threshold%' ORDER BY name LIMIT 1), 700) AS threshold
  FROM run WHERE runtime = 'cpython'
), near AS (
  SELECT name, total(more) AS all_of_it, total(CASE WHEN is_near THEN more END) AS near_pauses
  FROM (SELECT name, value - lag(value) OVER (PARTITION BY name ORDER BY t_ns) AS more,
               EXISTS (SELECT 1 FROM gc WHERE is_pause AND gc.t_ns BETWEEN p.t_ns - 200000000 AND p.t_ns) AS is_near
        FROM pressure AS p WHERE name IN ('psi_memory_some_ns', 'major_faults', 'minor_faults'))
  GROUP BY name
), memory AS (
  SELECT coalesce((SELECT all_of_it FROM near WHERE name = 'psi_memory_some_ns'), 0) AS psi_ns,
         coalesce((SELECT near_pauses FROM near WHERE name = 'psi_memory_some_ns'), 0) AS psi_near_ns,
         coalesce((SELECT all_of_it FROM near WHERE name = 'major_faults'), 0) AS faults,
         coalesce((SELECT near_pauses FROM near WHERE name = 'major_faults'), 0) AS faults_near,
         coalesce((SELECT max(value) FROM pressure WHERE name = 'swap_bytes'), 0) AS swap_bytes,
         (SELECT max(value) FROM pressure WHERE name = 'rss_bytes') AS rss_bytes
), touched AS (
  SELECT coalesce((SELECT near_pauses / nullif(all_of_it, 0) FROM near WHERE name = 'minor_faults'), 0) AS share
)
SELECT runtime, 'young_size' AS rule, 'young collections come often' AS finding,
       printf('%d young pauses in %.1f s, one each %.0f ms, at %.1f MB/s of allocation: eden fills with %.1f MB; %.1f ms in all',
              youngs, s, 1000 / rate, alloc_per_s / 1e6, alloc_per_s / rate / 1e6, young_ns / 1e6) AS evidence,
       printf('-Xmn%dm', CAST(eden_bytes / 0.8 / 1048576 AS INTEGER) + 1)
       || CASE WHEN eden_bytes < 10 * alloc_per_s AND 12.5 * alloc_per_s + 1.5 * coalesce(live_bytes, 0) <= 8 * max_bytes
               THEN printf('; for one each 10 s, -Xmn%dm and -Xmx%dm', CAST(12.5 * alloc_per_s / 1048576 AS INTEGER) + 1,
                           CAST((12.5 * alloc_per_s + 1.5 * coalesce(live_bytes, 0)) / 1048576 AS INTEGER) + 1)
               ELSE '' END
       || CASE WHEN collector = 'G1' THEN '; G1 then keeps this size whatever MaxGCPauseMillis says' ELSE '' END AS setting,
       printf('a young pause each %s in place of each %.0f ms; each as long as before, as long as no more survives',
              iif(eden_bytes < alloc_per_s, printf('%.0f ms', 1000 * eden_bytes / alloc_per_s), printf('%.1f s', eden_bytes / alloc_per_s)),
              1000 / rate) AS effect,
       'record again: per_minute of the young pauses in report gc, and their p99' AS how_to_check,
       'SELECT t_ns, felt_ns, bytes_since_last FROM (SELECT *, coalesce(stopped_ns, dur_ns) AS felt_ns FROM v_gc) WHERE runtime = ''hotspot'' AND kind IN (''young'', ''mixed'', ''concurrent-start'') ORDER BY t_ns' AS query,
       young_ns / felt_ns AS share,
       'young_per_minute' AS measure, 60 * rate AS before, 60 * alloc_per_s / eden_bytes AS predicted
FROM young, full WHERE rate > 1 AND eden_bytes >= 2 * alloc_per_s / rate AND full.n < 2
UNION ALL
SELECT runtime, 'heap_too_small', 'the heap has little room beside what is alive',
       printf('%.0f MB in use after collections', live_bytes / 1e6)
       || CASE WHEN max_bytes > 0 THEN printf(', %.0f %% of the %.0f MB that it may have', 100.0 * live_bytes / max_bytes, max_bytes / 1e6) ELSE '' END
       || printf('; %d full collections that nobody asked for, %.1f ms in all, %.1f ms at most', full.n, full.ns / 1e6, coalesce(full.max_ns, 0) / 1e6),
       printf('-Xms%dm -Xmx%dm, three times what is alive', 3 * live_bytes / 1048576 + 1, 3 * live_bytes / 1048576 + 1),
       printf('%.0f %% in use after collections; ', 100.0 / 3)
       || CASE WHEN filled > 0 AND full.n > 0 THEN printf('a full one each %.1f s in place of each %.1f s', 1 / min(filled, full.n / s), s / full.n)
               ELSE printf('collections of the old generation %.1f times as seldom, and the %.1f ms of full ones not at all',
                           max(1.0, 2.0 * live_bytes / max(coalesce(max_bytes, 2 * live_bytes) - live_bytes, 0.05 * live_bytes)), full.ns / 1e6) END,
       'record again: after_p50_bytes of the heap is below half of max_bytes in report gc, and kind full is gone',
       'SELECT t_ns, kind, cause, used_after_bytes, max_bytes FROM v_gc JOIN v_gc_pool USING (gc_id) WHERE pool = ''heap'' ORDER BY t_ns',
       max(full.ns / java.felt_ns, CASE WHEN max_bytes > 0 THEN (1.0 * live_bytes / max_bytes - 0.7) ELSE 0 END),
       iif(full.n > 0, 'full_per_minute', NULL), iif(full.n > 0, 60 * full.n / s, NULL), iif(full.n > 0, 60 * min(filled, full.n / s), NULL)
FROM java, full, filling
WHERE live_bytes > 0 AND (live_bytes > 0.7 * max_bytes OR (full.n >= 2 AND coalesce(live_bytes > 0.4 * max_bytes, 1)))
UNION ALL
SELECT runtime, 'heap_resizes', 'the heap changes its size while it runs',
       printf('%d changes, between %.0f and %.0f MB', n, least / 1e6, most / 1e6)
       || CASE WHEN share >= 0.5 THEN printf('; %.0f %% of the page faults came within 200 ms of a pause', 100 * share) ELSE '' END,
       printf('-Xms%dm -Xmx%dm', coalesce(max_bytes, most) / 1048576, coalesce(max_bytes, most) / 1048576)
       || CASE WHEN share >= 0.5 THEN ' -XX:+AlwaysPreTouch' ELSE '' END,
       printf('none of the %d changes, and no page of the heap is touched for the first time in a pause', n),
       'record again: committed_bytes of the heap is the same after each collection',
       'SELECT t_ns, committed_bytes FROM v_gc JOIN v_gc_pool USING (gc_id) WHERE pool = ''heap'' ORDER BY t_ns',
       min(1.0, n / pauses), 'resizes_per_minute', 60 * n / s, 0.0
FROM java, resized, touched WHERE n >= 3 AND least < most
UNION ALL
SELECT runtime, 'ihop', 'G1 begins to mark too late',
       printf('%d collections found no place for objects, or had to compact everything: %.1f ms in all; marking took up to %.3f s, while %.1f MB/s moved to the old generation',
              failed.n, failed.ns / 1e6, coalesce(marked.s, 0), promoted.bytes / java.s / 1e6),
       printf('-XX:InitiatingHeapOccupancyPercent=%d -XX:-G1UseAdaptiveIHOP -XX:G1ReservePercent=20', coalesce((SELECT percent FROM start), 30)),
       printf('marking ends before the heap is full: %.1f ms less in pauses', failed.ns / 1e6),
       'record again: no pause with cause G1 Compaction Pause, and v_gc_phase has no to-space exhausted',
       'SELECT t_ns, kind, cause, dur_ns FROM v_gc WHERE cause = ''G1 Compaction Pause'' OR gc_id IN (SELECT gc_id FROM v_gc_phase WHERE name IN (''to-space exhausted'', ''evacuation failure'')) ORDER BY t_ns',
       failed.ns / java.felt_ns, 'failed_per_minute', 60 * failed.n / java.s, 0.0
FROM java, failed, marked, promoted WHERE failed.n >= 1 AND coalesce(collector, 'G1') = 'G1'
UNION ALL
SELECT runtime, 'collector', printf('%s stops the threads for long', collector),
       printf('%d pauses: p50 %.2f ms, p99 %.2f ms, longest %.2f ms', pauses, p50_ns / 1e6, p99_ns / 1e6, max_ns / 1e6),
       CASE WHEN version BETWEEN 21 AND 22 THEN '-XX:+UseZGC -XX:+ZGenerational'
            WHEN version >= 23 THEN '-XX:+UseZGC'
            ELSE '-XX:+UseShenandoahGC, or -XX:+UseZGC' END,
       printf('pauses below 1 ms: %.1f ms a second of standing still become work beside the program, on CPUs of their own',
              felt_ns / s / 1e6),
       'record again: p99 and mmu of report gc; and allocation stalls (v_mark), which say that it cannot keep up',
       'SELECT kind, count(*), max(coalesce(stopped_ns, dur_ns)) FROM v_gc WHERE is_pause GROUP BY kind',
       min(1.0, p99_ns / 1e8),
       'p99_ns', p99_ns, 1e6
FROM java WHERE pauses >= 20 AND p99_ns >= 10000000 AND collector IN ('Parallel', 'Serial', 'G1')
UNION ALL
SELECT runtime, 'explicit', 'the program asks for collections',
       printf('System.gc() %d times: full pauses of %.1f ms in all, %.1f ms at most', n, ns / 1e6, asked.max_ns / 1e6),
       CASE WHEN coalesce(collector, 'G1') = 'G1' THEN '-XX:+ExplicitGCInvokesConcurrent; or -XX:+DisableExplicitGC, where no direct buffers depend on it'
            ELSE '-XX:+DisableExplicitGC, where no direct buffers depend on it' END,
       printf('none of these full pauses: %.1f ms less, %.1f %% of all', ns / 1e6, 100.0 * ns / java.felt_ns)
       || iif(coalesce(collector, 'G1') = 'G1', '; with the first, short ones begin and end a marking', ''),
       'record again: no kind full with cause System.gc() in v_gc',
       'SELECT t_ns, kind, dur_ns FROM v_gc WHERE kind = ''full'' AND cause LIKE ''%System.gc()%'' ORDER BY t_ns', ns / java.felt_ns,
       'explicit_full_per_minute', 60 * n / s, 0.0
FROM java, asked WHERE n >= 1
UNION ALL
SELECT runtime, 'humongous', 'objects of half a region and more start collections',
       printf('%d of %d pauses were started by one; a region has %d KiB', n, pauses, region_bytes / 1024) || coalesce('; ' || hugest.text, ''),
       printf('-XX:G1HeapRegionSize=%dm; or %s', min(32, max(2, 4 * region_bytes / 1048576)),
              coalesce('a pool of ' || substr(hugest.name, 1, 80) || ', or smaller ones', 'smaller arrays')),
       printf('objects up to %d KiB are no longer humongous: up to %d pauses fewer, %.1f ms', min(32768, max(2048, 4 * region_bytes / 1024)) / 2, n, ns / 1e6),
       'record again: cause G1 Humongous Allocation in v_gc',
       'SELECT t_ns, kind, dur_ns FROM v_gc WHERE cause = ''G1 Humongous Allocation'' ORDER BY t_ns', ns / java.felt_ns,
       'humongous_per_minute', 60 * n / s, 0.0
FROM java, huge, hugest WHERE n >= 3 AND region_bytes < 33554432
UNION ALL
SELECT runtime, 'top_class', 'one class takes much of what is allocated',
       printf('%s: %.0f %% of what fills eden, %.1f of %.1f MB/s in all (%d samples); %.2f young pauses a second, %.1f ms in all', substr(name, 1, 80),
              100 * of_eden, eden.share * alloc_per_s / 1e6, alloc_per_s / 1e6, events, rate, young_ns / 1e6),
       printf('half as many new %s: reuse them, or keep them in a pool', substr(name, 1, 80)),
       printf('eden fills in %.2f times as long: %.2f young pauses a second fewer, %.1f ms in all', 1 / (1 - of_eden / 2), rate * of_eden / 2, young_ns * of_eden / 2e6),
       'record again: share of the class in report gc --table classes, and per_minute of the young pauses',
       'SELECT class, sum(bytes) AS bytes, sum(events) AS events FROM v_gc_class GROUP BY class ORDER BY bytes DESC',
       of_eden / 2 * young_ns / felt_ns, 'young_per_minute', 60 * rate, 60 * rate * (1 - of_eden / 2)
FROM young, eden WHERE of_eden >= 0.3 AND events >= 30 AND name NOT LIKE '(%' AND rate >= 1
UNION ALL
SELECT runtime, 'safepoint', 'threads take longer to stop than the collector to work',
       printf('%.2f of %.2f ms stopped were time to safepoint; longer than the collection itself %d of %d times, %.2f ms at most',
              stop.ttsp_ns / 1e6, stop.felt_ns / 1e6, longer, n, stop.max_ns / 1e6),
       printf('-XX:+SafepointTimeout -XX:SafepointTimeoutDelay=%d names the thread; for loops, -XX:LoopStripMiningIter=100; and a CPU for each thread that is awake',
              max(1, CAST(stop.max_ns / 2e6 AS INTEGER))),
       printf('up to %.2f ms less of standing still, %.0f %%', stop.ttsp_ns / 1e6, 100 * stop.ttsp_ns / stop.felt_ns),
       'record again: ttsp_max of report gc',
       'SELECT t_ns, kind, ttsp_ns, dur_ns FROM v_gc WHERE ttsp_ns > dur_ns ORDER BY ttsp_ns DESC', stop.ttsp_ns / stop.felt_ns, NULL, NULL, NULL
FROM java, stop WHERE n >= 10 AND stop.ttsp_ns >= 0.5 * stop.felt_ns AND stop.max_ns >= 1000000
UNION ALL
SELECT runtime, 'gogc', 'Go collects often',
       printf('%d cycles in %.1f s, one each %.0f ms, with GOGC=%d and a goal of %.1f MB: %.1f MB are alive', cycles, s, 1000 / rate, gogc,
              goal_bytes / 1e6, live_bytes / 1e6),
       printf('GOGC=%d GOMEMLIMIT=%dMiB', wanted, CAST(1.1 * live_bytes * (1 + wanted / 100.0) / 1048576 AS INTEGER) + 16),
       printf('a cycle each %.1f s in place of each %.2f s, for %.1f MB more', 1.0 / rate * wanted / gogc, 1 / rate, live_bytes * (wanted - gogc) / 1e8),
       'record again: per_minute in report gc; rss_bytes of v_pressure stays below the limit',
       'SELECT t_ns, name, value FROM v_pressure WHERE name IN (''go.heap_live_bytes'', ''go.heap_goal_bytes'') ORDER BY t_ns',
       min(1.0, rate / 10), 'cycles_per_minute', 60 * rate, 60 * rate * gogc / wanted
FROM gogc WHERE goal_bytes > 0 AND wanted > gogc
UNION ALL
SELECT runtime, 'semi_space', 'scavenges come often',
       printf('%d in %.1f s, one each %.0f ms, %.1f ms in all, with semi-spaces of %d MiB', scavenges, s, 1000 / rate, ns / 1e6, mib),
       printf('--max-semi-space-size=%d --min-semi-space-size=%d', wanted, wanted),
       printf('a scavenge each %.0f ms in place of each %.0f ms, for up to %d MiB more; fewer objects are old before they die', 1000 / rate * wanted / mib, 1000 / rate, 3 * (wanted - mib)),
       'record again: per_minute of kind scavenge in report gc, and its p99',
       'SELECT t_ns, dur_ns FROM v_gc WHERE runtime = ''v8'' AND kind = ''scavenge'' ORDER BY t_ns', ns / felt_ns,
       'scavenges_per_minute', 60 * rate, 60 * rate * mib / wanted
FROM semi WHERE scavenges >= 20 AND rate >= 2 AND mib BETWEEN 1 AND 64
UNION ALL
SELECT runtime, 'freeze', 'collections of the oldest generation take most of the paused time',
       printf('%d of generation 2: %.1f of %.1f ms, %.2f ms at most', gen2, gen2_ns / 1e6, felt_ns / 1e6, gen2_max_ns / 1e6),
       'gc.collect(); gc.freeze() once all that stays is loaded; and gc.set_threshold(' || threshold || ', 10, 100)',
       printf('what is frozen is not looked at again, and generation 2 is collected each %.1f s in place of each %.1f s: up to %.1f ms a second less',
              1 / min(gen2 / s, (gen1 + gen2) / 101.0 / s), s / gen2, gen2_ns / s / 1e6),
       'record again: p99 of kind gen2 in report gc',
       'SELECT t_ns, dur_ns FROM v_gc WHERE runtime = ''cpython'' AND kind = ''gen2'' ORDER BY t_ns', gen2_ns / felt_ns, 'gen2_per_minute', 60 * gen2 / s, 60 * min(gen2, (gen1 + gen2) / 101.0) / s
FROM py WHERE gen2 >= 3 AND gen2_ns >= 0.3 * felt_ns AND gen2_ns > 0
UNION ALL
SELECT runtime, 'threshold', 'collections of the youngest generation come often',
       printf('%d of generation 0 in %.1f s, %.0f a second: %.1f ms in all', gen0, s, gen0 / s, gen0_ns / 1e6),
       printf('gc.set_threshold(%d)', min(100000, CAST(threshold * gen0 / s AS INTEGER))),
       printf('%.1f a second in place of %.0f', 1.0 * threshold * gen0 / s / min(100000, CAST(threshold * gen0 / s AS INTEGER)), gen0 / s),
       'record again: per_minute of kind gen0 in report gc',
       'SELECT t_ns, dur_ns FROM v_gc WHERE runtime = ''cpython'' AND kind = ''gen0'' ORDER BY t_ns', gen0_ns / max(felt_ns, 1),
       'gen0_per_minute', 60 * gen0 / s, 60.0 * threshold * gen0 / s / min(100000, CAST(threshold * gen0 / s AS INTEGER))
FROM py WHERE gen0 >= 100 AND gen0 >= 10 * s
UNION ALL
SELECT runtime, 'memory_pressure', 'memory is short while collectors work',
       printf('%.1f ms of waiting for memory on the machine, %.1f of them within 200 ms of a pause; %d major faults, %d of them so; %.1f MB of swap at most',
              psi_ns / 1e6, psi_near_ns / 1e6, faults, faults_near, swap_bytes / 1e6),
       CASE WHEN rss_bytes > 0 THEN printf('a memory limit (memory.high, memory.max) of %d MiB or more for it, ', CAST(1.25 * (rss_bytes + swap_bytes) / 1048576 AS INTEGER) + 1)
            ELSE 'a higher memory limit for it, ' END || 'vm.swappiness=1, memory.swap.max=0; or a heap that is smaller by what swap has',
       printf('collectors touch memory that is there: up to %.1f ms of waiting and %d major faults fewer', psi_near_ns / 1e6, faults_near),
       'record again: in_pauses_share of psi_memory_some_ns and major_faults in report gc',
       'SELECT t_ns, name, value FROM v_pressure WHERE name IN (''psi_memory_some_ns'', ''major_faults'', ''swap_bytes'') ORDER BY t_ns',
       min(1.0, psi_near_ns / max(felt_ns, 1)), NULL, NULL, NULL
FROM memory, (SELECT runtime, felt_ns, max(pauses) FROM run)
WHERE runtime IS NOT NULL
      AND ((psi_ns >= 10000000 AND 3 * psi_near_ns >= psi_ns) OR (swap_bytes > 0 AND faults >= 10));
