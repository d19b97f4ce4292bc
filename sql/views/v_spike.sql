-- SPDX-License-Identifier: MIT
-- Times at which something went far above what it is in its phase of the trading session.
--
--   spike_id  by time
--   phase_id, phase   v_phase: the innermost at the middle of the slot; NULL and '' of slots that are in none, which are
--             judged as one phase: where there are no phases, the whole recording
--   series    allocs_per_s bytes_per_s  calls that give memory out, and what they ask for
--             p99_ns        of these calls, in the slot's worst window of about 100 ms that has 1,000 of them
--             faults_per_s  page faults of the process, minor and major (v_pressure)
--             gc_pause      the longest pause of collectors, ns (v_gc)
--             pool_in_use:NAME  objects of the pools of that name at most (v_pool_use)
--   start_ns, end_ns  session clock, of slots (v_slot); the end exclusive
--   peak_ns   where the highest slot begins
--   level     what the series is in this phase
--   peak      in the highest slot
--
-- The level is the median of the logarithms of a phase's slots, their spread the median absolute deviation (Hampel, Journal
-- of the American Statistical Association 69, 1974): neither is moved by the spikes themselves. A slot is high if it is more
-- than 8 spreads, taken for those of a normal distribution, above the level, 1.5 times as high at least (p99_ns: 3 times),
-- and not below 100 calls, 10,000 bytes or 100 faults a second, 10 objects, or 0.1 ms of pause. High slots that follow each
-- other within a phase are one spike; one of which nothing is known does not end it.
--
-- Caveats: no level with fewer than 8 slots; of gc_pause, 8 slots with a pause. The first and the last slot of the recording
-- are left out: there the program begins or ends, and so does what watches it; and slots that are of two phases. Slots below a quarter of a second have no
-- rates, and those that were watched in part (v_overhead) have that of the time watched. Page faults are counted from one
-- look to the next; where nothing beside the target changed either, a look left no row, and they are of a longer time. A
-- level is as exact as 0.1 %. Many pools that are mostly idle take long: each is looked at in each slot. Needs SQLite's mathematical functions. mpsample report session also judges by phases that it
-- finds itself, and says who moved first.
-- Example: SELECT phase, series, (start_ns - (SELECT start_ns FROM session_time)) / 1e9 AS t_s, peak / level FROM v_spike

CREATE VIEW v_spike AS
WITH rule(kind_no, kind, factor, least) AS (
  VALUES (1, 'allocs_per_s', 1.5, 100), (2, 'bytes_per_s', 1.5, 10000), (3, 'p99_ns', 3, 0), (4, 'faults_per_s', 1.5, 100),
         (5, 'gc_pause', 1.5, 100000), (6, 'pool_in_use', 1.5, 10)
), pool_name AS MATERIALIZED (
  SELECT name, 5 + row_number() OVER (ORDER BY name) AS series_no
  FROM (SELECT DISTINCT name FROM pool WHERE EXISTS (SELECT 1 FROM pool_use WHERE pool_use.pool_id = pool.pool_id))
), series AS (
  SELECT kind_no AS series_no, kind AS series, ln(factor) AS apart, least FROM rule WHERE kind <> 'pool_in_use'
  UNION ALL
  SELECT series_no, 'pool_in_use:' || name, ln(factor), least FROM pool_name JOIN rule ON kind = 'pool_in_use'
), edge AS MATERIALIZED (
  SELECT coalesce(min(slot_ns), -9223372036854775808) AS first_ns, coalesce(max(slot_ns), 9223372036854775807) AS last_ns FROM slot
), measured AS MATERIALIZED (
  SELECT slot_ns, dur_ns, min(phase_no, 65535) AS phase_no, phase_id, phase, row_number() OVER (ORDER BY slot_ns) AS nth
  FROM slot_phase JOIN edge ON slot_ns > first_ns AND slot_ns < last_ns
  WHERE NOT is_mixed
), asked AS MATERIALIZED (
  SELECT slot_ns, total(calls) AS calls, total(bytes) AS bytes
  FROM latency_sum
  WHERE op_id < 32 AND op_id NOT IN (SELECT op_id FROM op WHERE name IN ('free', 'delete'))
  GROUP BY slot_ns
), look AS (
  -- Counters only rise: the highest until then is what was last written. What did not rise has no row, but others have.
  SELECT t_ns, max(0, coalesce(max(minor) OVER upto, 0)) + max(0, coalesce(max(major) OVER upto, 0)) AS faults
  FROM (SELECT t_ns, max(CASE name WHEN 'minor_faults' THEN value END) AS minor,
               max(CASE name WHEN 'major_faults' THEN value END) AS major
        FROM pressure
        WHERE name IN ('minor_faults', 'major_faults', 'rss_bytes', 'cpu_user_ns', 'cpu_system_ns', 'psi_cpu_some_ns')
        GROUP BY t_ns)
  WINDOW upto AS (ORDER BY t_ns ROWS UNBOUNDED PRECEDING)
), fault AS MATERIALIZED (
  -- A look is at the end of a slot.
  SELECT CAST((SELECT max(slot_ns) FROM slot WHERE slot_ns < t_ns) AS INTEGER) AS slot_ns, max(faults * 1e9 / since_ns) AS faults
  FROM (SELECT t_ns, faults - lag(faults) OVER by_time AS faults, t_ns - lag(t_ns) OVER by_time AS since_ns
        FROM look WINDOW by_time AS (ORDER BY t_ns))
  WHERE since_ns >= 250000000
  GROUP BY 1
), wide AS MATERIALIZED (
  -- Of what was watched for little of it there is no rate.
  SELECT slot_ns, phase_no, nth, 1e9 / CASE WHEN dur_ns >= 250000000 THEN
           coalesce((SELECT CASE WHEN watched_ns >= 10000000 THEN min(watched_ns, dur_ns) ELSE 0 END
                     FROM overhead AS o WHERE o.slot_ns = measured.slot_ns AND mode IS NOT NULL), dur_ns) END AS per_s,
         coalesce(calls, 0) AS calls, coalesce(bytes, 0) AS bytes,
         (SELECT max(p99_ns) FROM latency_window AS w
          WHERE w.slot_ns = measured.slot_ns AND w.calls >= 1000 AND op_id < 32
            AND op_id NOT IN (SELECT op_id FROM op WHERE name IN ('free', 'delete'))) AS p99_ns,
         faults,
         (SELECT max(coalesce(stopped_ns, gc.dur_ns)) FROM gc
          WHERE is_pause AND t_ns >= measured.slot_ns AND t_ns < measured.slot_ns + measured.dur_ns) AS pause_ns
  FROM measured LEFT JOIN asked USING (slot_ns) LEFT JOIN fault USING (slot_ns)
), known AS MATERIALIZED (
  -- The n-th of its phase, and of those that have a value the n-th: high ones are neighbours where both tell so.
  SELECT *, nth - row_number() OVER (PARTITION BY phase_no ORDER BY nth) AS stint,
         count(per_s) OVER upto AS nth_rate, count(p99_ns) OVER upto AS nth_p99, count(faults) OVER upto AS nth_fault
  FROM wide
  WINDOW upto AS (ORDER BY nth ROWS UNBOUNDED PRECEDING)
), used AS (
  SELECT pool_id, slot_ns, in_use_max, in_use_last, lead(slot_ns) OVER (PARTITION BY pool_id ORDER BY slot_ns) AS next_ns FROM pool_use
), pool_used AS (
  -- A slot without a row is as full as the one before was at its end.
  SELECT pool_id, slot_ns, in_use_max AS in_use FROM pool_use
  UNION ALL
  SELECT pool_id, slot.slot_ns, in_use_last FROM used CROSS JOIN slot ON slot.slot_ns > used.slot_ns AND slot.slot_ns < next_ns
  WHERE in_use_last IS NOT NULL
), point AS (
  SELECT 1 AS series_no, phase_no, slot_ns, stint, nth_rate AS nth, calls * per_s AS value, 1 AS is_level FROM known WHERE per_s
  UNION ALL
  SELECT 2, phase_no, slot_ns, stint, nth_rate, bytes * per_s, 1 FROM known WHERE per_s
  UNION ALL
  SELECT 3, phase_no, slot_ns, stint, nth_p99, p99_ns, 1 FROM known WHERE p99_ns >= 0
  UNION ALL
  SELECT 4, phase_no, slot_ns, stint, nth_fault, faults, 1 FROM known WHERE faults >= 0
  UNION ALL
  -- How long a usual pause is only those slots tell that have one.
  SELECT 5, phase_no, slot_ns, stint, nth, coalesce(pause_ns, 0), pause_ns IS NOT NULL FROM known WHERE EXISTS (SELECT 1 FROM gc WHERE is_pause)
  UNION ALL
  SELECT series_no, phase_no, slot_ns, stint, nth, max(0, total(in_use)), 1
  FROM pool_used JOIN pool USING (pool_id) JOIN pool_name USING (name) JOIN known USING (slot_ns)
  GROUP BY series_no, slot_ns
), step AS MATERIALIZED (
  -- Series, phase and logarithm in one number: SQLite sorts by one integer twice as fast as by columns.
  SELECT (series_no << 32) + (phase_no << 16) + CAST(min(x, 63.99) * 1024 AS INTEGER) AS pack, slot_ns, stint, nth, x, value, is_level
  FROM (SELECT *, ln(1 + value) AS x FROM point)
), bin AS MATERIALIZED (
  -- By logarithm, 0.1 % wide.
  SELECT pack, count(*) AS n, avg(x) AS x FROM step WHERE is_level GROUP BY pack
), upto AS (
  SELECT pack >> 16 AS cell, x, n, sum(n) OVER (PARTITION BY pack >> 16 ORDER BY pack) AS upto,
         sum(n) OVER (PARTITION BY pack >> 16) AS whole
  FROM bin
), level AS MATERIALIZED (
  -- The two in the middle, which may be one.
  SELECT cell, (min(CASE WHEN upto >= (whole + 1) / 2 THEN x END) + min(CASE WHEN upto >= (whole + 2) / 2 THEN x END)) / 2 AS x
  FROM upto WHERE whole >= 8 GROUP BY cell
), off AS (
  SELECT cell, off, sum(n) OVER (PARTITION BY cell ORDER BY off) AS upto, sum(n) OVER (PARTITION BY cell) AS whole
  FROM (SELECT cell, abs(bin.x - level.x) AS off, n FROM bin JOIN level ON cell = pack >> 16)
), spread AS (
  SELECT cell, 1.4826 * (min(CASE WHEN upto >= (whole + 1) / 2 THEN off END) + min(CASE WHEN upto >= (whole + 2) / 2 THEN off END)) / 2 AS spread
  FROM off GROUP BY cell
), bound AS MATERIALIZED (
  SELECT cell, series, x, x + max(8 * spread, apart) AS above, least FROM level JOIN spread USING (cell) JOIN series ON series_no = cell >> 16
), high AS MATERIALIZED (
  SELECT cell, series, bound.x, slot_ns, value, stint, nth - row_number() OVER (PARTITION BY cell, stint ORDER BY slot_ns) AS run
  FROM step JOIN bound ON cell = pack >> 16 WHERE step.x > above AND value >= least
), found AS (
  SELECT cell, series, x, min(slot_ns) AS start_ns, max(slot_ns) AS last_ns, stint, run FROM high GROUP BY cell, stint, run
), peak AS (
  -- With max() the other columns are those of the row that has it.
  SELECT cell, stint, run, max(value) AS value, slot_ns AS peak_ns FROM high GROUP BY cell, stint, run
)
SELECT row_number() OVER (ORDER BY start_ns, cell) AS spike_id, phase_id, phase, series, start_ns, last_ns + dur_ns AS end_ns, peak_ns,
       exp(x) - 1 AS level, value AS peak
FROM found JOIN peak USING (cell, stint, run) JOIN measured ON slot_ns = last_ns
ORDER BY 1;
