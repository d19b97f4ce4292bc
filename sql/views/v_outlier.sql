-- SPDX-License-Identifier: MIT
-- Slow calls, and what made each of them slow: the kept outliers; of a recording that kept everything (--full), the calls
-- at or above the p99.9 of their operation.
--
--   call_id          v_call
--   t_ns             session clock: start of the call
--   tid, op, size_bytes, dur_ns, site  as in v_call
--   cause            the kind of v_cause that took most of dur_ns; `unexplained` if that is the most
--   cause_ns         how much
--   detail           of that cause, as in v_cause
--   explained_share  of dur_ns, what is not `unexplained`, 0 to 1; NULL: the call took no time
--
-- Caveats: rows that were lost (v_loss, what = 'rows') are missing. What a cause says besides its largest one is in
-- v_cause.
-- Example: SELECT cause, count(*), sum(dur_ns) FROM v_outlier GROUP BY cause ORDER BY 3 DESC

CREATE VIEW v_outlier AS
WITH tail AS MATERIALIZED (
  -- Computed only where it is asked for: at the first call of a recording that kept everything.
  SELECT op_id, p999_ns FROM v_percentile JOIN op ON op.name = v_percentile.op
)
SELECT call.call_id, call.t_ns, call.tid, op.name AS op, call.size_bytes, call.dur_ns,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = call.stack_id), '[no stack]') AS site,
       coalesce(most.kind, 'unexplained') AS cause,
       CASE WHEN most.kind IS NULL THEN call.dur_ns ELSE most.dur_ns END AS cause_ns,
       most.detail,
       min(max(1.0 - CASE WHEN most.kind IS NULL THEN call.dur_ns ELSE coalesce(rest.dur_ns, 0) END * 1.0
               / nullif(call.dur_ns, 0), 0.0), 1.0) AS explained_share
FROM call
  JOIN op ON op.op_id = call.op_id
  LEFT JOIN cause AS most ON most.call_id = call.call_id
    AND most.kind = (SELECT kind FROM cause AS any WHERE any.call_id = call.call_id ORDER BY dur_ns DESC, kind LIMIT 1)
  LEFT JOIN cause AS rest ON rest.call_id = call.call_id AND rest.kind = 'unexplained'
WHERE call.kept = 1
   OR (call.kept = 3 AND call.dur_ns >= (SELECT p999_ns FROM tail WHERE tail.op_id = call.op_id));
