-- SPDX-License-Identifier: MIT
-- How often each operation is called: one row an operation. Where not every call was watched all the time (v_overhead), scaled
-- by the time that was, with an interval.
--
--   op
--   calls        counted
--   watched_ns   so long calls of it were counted: of slow paths (malloc_slow ...) the time that these were probed
--   calls_per_s  calls by watched time
--   lo_per_s, hi_per_s  the 95 % interval. hi_per_s is NULL where no bound can be given: a thread that does little but
--                allocate makes far fewer calls while all are probed than while none are
--
-- Seconds that were watched whole are counted; of the others each is taken at the rate of its windows, or, without one, at
-- the mean of those that had some (a stratified estimate: Cochran, Sampling Techniques, 5.3), and the interval is that of this
-- mean. Above, what the probes themselves slow down is taken into account: in its windows the target had watched_cpu_ns of CPU
-- time, of which the probes took about window_cost_ns (here: up to a fifth more); without them it spends all its CPU time at
-- the same work a call.
--
-- Caveats: one window is no sample: its interval is as wide as what was counted. Lost calls are missing (v_loss).
-- Example: SELECT op, calls_per_s, lo_per_s, hi_per_s FROM v_rate

CREATE VIEW v_rate AS
WITH total AS (
  SELECT op_id, sum(calls) AS calls, sum(watched_ns) AS watched_ns, sum(dur_ns) AS all_ns,
         sum(CASE WHEN watched_ns >= dur_ns THEN calls ELSE 0 END) AS counted,
         sum(CASE WHEN watched_ns < dur_ns THEN dur_ns ELSE 0 END) AS open_ns,
         count(CASE WHEN watched_ns BETWEEN 1 AND dur_ns - 1 THEN 1 END) AS n,
         avg(CASE WHEN watched_ns BETWEEN 1 AND dur_ns - 1 THEN 1.0 * calls / watched_ns END) AS rate,
         avg(CASE WHEN watched_ns BETWEEN 1 AND dur_ns - 1
                  THEN 1.0 * calls / watched_ns * calls / watched_ns END) AS square
  FROM slot_calls GROUP BY op_id
), disturbed AS (
  -- How much faster calls may come when none is probed.
  SELECT 1.0 * (sum(cpu_ns) - sum(watched_cpu_ns)) / (sum(dur_ns) - sum(watched_ns))
           * sum(watched_ns) / nullif(max(sum(watched_cpu_ns) - 1.2 * sum(window_cost_ns), 0), 0) AS most
  FROM overhead JOIN slot USING (slot_ns) WHERE cpu_ns IS NOT NULL AND watched_ns < dur_ns
), ready AS (
  SELECT op_id, calls, watched_ns, 1.0 * counted / all_ns AS exact, coalesce(rate, 0) * open_ns / all_ns AS guess,
         CASE WHEN open_ns = 0 THEN 0
              WHEN n < 2 THEN coalesce(rate, 0)
              ELSE 1.96 * sqrt(max(0, square - rate * rate) / (n - 1)) END * open_ns / all_ns AS half,
         open_ns > 0 AND op_id < 32 AS is_disturbed
  FROM total
)
SELECT op.name AS op, calls, watched_ns,
       round((exact + guess) * 1e9, 1)                AS calls_per_s,
       round((exact + max(0, guess - half)) * 1e9, 1) AS lo_per_s,
       round((exact + (guess + half) * CASE WHEN is_disturbed THEN max(1, (SELECT most FROM disturbed)) ELSE 1 END) * 1e9, 1)
                                                      AS hi_per_s
FROM ready JOIN op USING (op_id)
ORDER BY op_id;
