-- SPDX-License-Identifier: MIT
-- The pauses that began in the time asked for, as the threads feel them: from the order to stop until they were let go, or,
-- where that was not seen, as long as the collector worked.
--
-- Parameters: :from_ns :to_ns

INSERT INTO temp.gc_pause
SELECT gc_id, runtime, coalesce(kind, '?'), cause,
       CASE WHEN stopped_ns IS NULL THEN t_ns ELSE max(t_ns - max(coalesce(ttsp_ns, 0), 0), 0) END,
       max(coalesce(stopped_ns, dur_ns), 0), ttsp_ns
FROM gc
WHERE is_pause AND t_ns >= :from_ns AND t_ns < :to_ns AND t_ns BETWEEN 0 AND 2305843009213693952
  AND coalesce(stopped_ns, dur_ns) < 2305843009213693952;
