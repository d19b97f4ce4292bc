-- SPDX-License-Identifier: MIT
-- Sites whose behaviour changed during the recording, the surest first.
--
-- Parameters: :start_ns (of the recording) :limit (-1: the 5 surest)
-- Columns:
--   changed       rate: by half or more; size, latency: a call after the change is larger than one before in more than 60
--                 of 100 pairs, or in less than 40
--   op, site
--   t_ns          when, since the start of the recording
--   p_value       that it did not, all sites and questions taken together
--   before_per_s, after_per_s              calls per second, estimated from the kept calls
--   before_size_bytes, after_size_bytes    median
--   before_p50_ns ... after_p99_ns         weighted; NULL: no calls
--
-- Caveats: one change of each kind a site; what goes up and down within a sixteenth of the recording is none. Sites with
-- fewer than 100 rows are not judged. Lost rows look like a lower rate. Filled by analysis/patterns/patterns.c.

SELECT aspect AS changed, op.name AS op, site, t_ns - :start_ns AS t_ns, p_value,
       round(before_per_s, 1) AS before_per_s, round(after_per_s, 1) AS after_per_s,
       before_size_bytes, after_size_bytes, before_p50_ns, after_p50_ns, before_p99_ns, after_p99_ns
FROM temp.pattern_change JOIN op USING (op_id)
ORDER BY p_value, site, op_id, aspect
LIMIT CASE WHEN :limit < 0 THEN 5 ELSE :limit END;
