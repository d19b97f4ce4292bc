-- SPDX-License-Identifier: MIT
-- The slots that lie as a whole in a part of the recording, in the order of time.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)
-- Columns:
--   slot_ns, dur_ns  the slot
--   watched_ns       for so much of it every call was counted
--   slow_ns          and calls of slow paths (malloc_slow ...)
--
-- Sessions of versions before 0.2 and imports have no rows of slots: there, each second from the first that had calls, or
-- else of the recording, is one.

WITH RECURSIVE bounds AS (
  SELECT coalesce((SELECT min(slot_ns) FROM latency_sum), start_ns)          AS first_ns,
         coalesce((SELECT max(slot_ns) FROM latency_sum) + 1000000000, end_ns) AS end_ns
  FROM session_time WHERE NOT EXISTS (SELECT 1 FROM slot)
), second(slot_ns) AS (
  SELECT first_ns FROM bounds WHERE first_ns + 1000000000 <= end_ns
  UNION ALL
  SELECT slot_ns + 1000000000 FROM second, bounds WHERE slot_ns + 2000000000 <= end_ns LIMIT 1000000
), watched AS (
  SELECT slot_ns, min(watched_ns) AS watched_ns, max(mode LIKE 'slow%' OR mode = 'mixed') AS sees_slow
  FROM overhead WHERE mode IS NOT NULL GROUP BY slot_ns
)
SELECT slot_ns, dur_ns, coalesce(min(watched_ns, dur_ns), dur_ns) AS watched_ns,
       CASE WHEN sees_slow THEN dur_ns ELSE 0 END AS slow_ns
FROM slot LEFT JOIN watched USING (slot_ns)
WHERE dur_ns > 0 AND slot_ns >= :from_ns AND slot_ns <= :to_ns - dur_ns
UNION ALL
SELECT slot_ns, 1000000000, 1000000000, 0 FROM second
WHERE slot_ns >= :from_ns AND slot_ns <= :to_ns - 1000000000
ORDER BY slot_ns;
