-- SPDX-License-Identifier: MIT
-- Private: when the recording began and ended, one row. Not part of the public views.
--
--   start_ns  start of the recording
--   end_ns    its end; of a recorder that was killed, the last sign of life
--   finished  1, or 0 when the recorder was killed

CREATE VIEW session_time AS
WITH known AS (
  SELECT (SELECT CAST(value AS INTEGER) FROM session WHERE key = 'start_ns') AS start_ns,
         (SELECT CAST(value AS INTEGER) FROM session WHERE key = 'end_ns')   AS end_ns
), bounds AS (
  SELECT coalesce(start_ns, (SELECT min(mono_ns) FROM clock), (SELECT min(slot_ns) FROM latency_sum), 0) AS start_ns,
         end_ns
  FROM known
)
SELECT start_ns,
       coalesce(end_ns, (SELECT max(mono_ns) FROM clock), (SELECT max(slot_ns) + 1000000000 FROM latency_sum),
                start_ns)    AS end_ns,
       end_ns IS NOT NULL    AS finished
FROM bounds;
