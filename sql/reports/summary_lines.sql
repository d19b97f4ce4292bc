-- SPDX-License-Identifier: MIT
-- Below the summary, for people, in a line each: how often operations are called, where that is an estimate; and what was
-- counted and sampled beside the calls.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)
-- Columns: one, the line.
--
-- Caveats: instructions a cycle only of threads and seconds in which both were counted. Names are those of perf and libpfm4:
-- cycles, cpu-cycles, perf::CYCLES; instructions, perf::INSTRUCTIONS.

WITH named AS (
  -- The name without the PMU before it and the modifiers behind it; `::` is both.
  -- Of an event that is sampled and counted, what was counted.
  SELECT event_id, name, replace(lower(replace(name, '::', '/')), '_', '-') AS text FROM event
  WHERE NOT (is_sampled AND EXISTS (SELECT 1 FROM event AS e WHERE e.name = event.name AND NOT e.is_sampled))
), bare AS (
  SELECT event_id, name,
         substr(substr(text, 1, instr(text || ':', ':') - 1), instr(text, '/') + 1) AS what
  FROM named
), counted AS (
  SELECT slot_ns, tid,
         max(CASE WHEN what IN ('cycles', 'cpu-cycles') THEN value END) AS cycles,
         max(CASE WHEN what = 'instructions' THEN value END) AS instructions,
         total(running_ns) AS running_ns, total(enabled_ns) AS enabled_ns
  FROM thread_counter JOIN bare USING (event_id)
  WHERE what IN ('cycles', 'cpu-cycles', 'instructions') AND slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY slot_ns, tid
), ipc AS (
  SELECT total(instructions) / nullif(total(cycles), 0) AS ipc, total(instructions) AS instructions,
         total(running_ns) / nullif(total(enabled_ns), 0) AS running
  FROM counted WHERE cycles IS NOT NULL AND instructions IS NOT NULL
), others AS (
  SELECT name, total(value) AS value
  FROM thread_counter JOIN bare USING (event_id)
  WHERE what NOT IN ('cycles', 'cpu-cycles', 'instructions') AND slot_ns >= :from_ns AND slot_ns < :to_ns
  GROUP BY event_id ORDER BY event_id LIMIT 6
), spent AS (
  SELECT slot_ns, dur_ns FROM slot WHERE slot_ns >= :from_ns AND slot_ns < :to_ns
), sampled AS (
  SELECT count(*) AS samples, (SELECT group_concat(name, ', ') FROM event WHERE is_sampled) AS names
  FROM sample WHERE t_ns >= :from_ns AND t_ns < :to_ns
)
SELECT printf('rates: %s %,lld calls a second (95 %%: %,lld to %s), from %.3g %% of the time', op,
              CAST(calls_per_s AS INTEGER), CAST(lo_per_s AS INTEGER),
              CASE WHEN hi_per_s IS NULL THEN 'no bound, for with all probed it does little else'
                   ELSE printf('%,lld', CAST(hi_per_s AS INTEGER)) END,
              100.0 * watched_ns / (SELECT sum(dur_ns) FROM slot)) AS line
FROM v_rate
WHERE watched_ns < 0.999 * (SELECT sum(dur_ns) FROM slot) AND op NOT LIKE '%\_slow' ESCAPE '\'
  AND :from_ns <= (SELECT min(slot_ns) FROM slot) AND :to_ns > (SELECT max(slot_ns) FROM slot)
UNION ALL
SELECT printf('cost: %.2f %% of a core in the target', 100.0 * total(CASE WHEN plane <> 'recorder' THEN cost_ns END) / (SELECT sum(dur_ns) FROM spent))
       || coalesce((SELECT printf(' (budget %g %%)', 100 * CAST(value AS REAL)) FROM session WHERE key = 'budget'
            AND EXISTS (SELECT 1 FROM session WHERE key = 'probe' AND value <> 'all')), '')
       || printf('; the recorder itself %.2f %%', 100.0 * total(CASE WHEN plane = 'recorder' THEN cost_ns END) / (SELECT sum(dur_ns) FROM spent))
       || CASE WHEN total(CASE WHEN plane = 'recorder' THEN events END) > 0
               THEN printf(', %.2f s a million calls', 1e-3 * total(CASE WHEN plane = 'recorder' THEN cost_ns END)
                           / total(CASE WHEN plane = 'recorder' THEN events END)) ELSE '' END
       || coalesce((SELECT printf(', %.0f MiB at most', CAST(value AS INTEGER) / 1048576.0)
                    FROM session WHERE key = 'recorder_peak_bytes'), '')
FROM overhead JOIN spent USING (slot_ns)
HAVING count(CASE WHEN plane = 'recorder' THEN 1 END) > 0
UNION ALL
-- What was estimated, checked by how fast the target works with and without probes.
SELECT printf('cost, by %,lld spans: %s end while every call is watched, which is %.2f %% of the time', all_spans,
              CASE WHEN on_rate >= off_rate THEN 'no fewer' ELSE printf('%.1f %% fewer', 100 * (1 - on_rate / off_rate)) END,
              100.0 * on_ns / all_ns)
FROM (SELECT sum(spans) AS all_spans, sum(watched_ns) AS on_ns, sum(dur_ns) AS all_ns,
             1.0 * sum(watched_spans) / nullif(sum(watched_ns), 0) AS on_rate,
             1.0 * (sum(spans) - sum(watched_spans)) / nullif(sum(dur_ns) - sum(watched_ns), 0) AS off_rate,
             min(sum(watched_spans), sum(spans) - sum(watched_spans)) AS fewest
      FROM overhead JOIN spent USING (slot_ns) WHERE mode <> 'all')
WHERE fewest >= 1000
UNION ALL
SELECT printf('counters: %.2f instructions a cycle', ipc)
       || CASE WHEN running < 0.995 THEN printf(' (counted %.0f %% of the time, scaled)', running * 100) ELSE '' END AS line
FROM ipc WHERE ipc IS NOT NULL
UNION ALL
SELECT 'counters: ' || group_concat(printf('%,lld %s', CAST(value AS INTEGER), name), ', ') FROM others
HAVING count(*) > 0
UNION ALL
SELECT printf('samples: %,lld of %s; which data missed the cache: mpsample report cache', samples, names)
FROM sampled WHERE samples > 0;
