-- SPDX-License-Identifier: MIT
-- The pools that are told of, the fullest first: those that failed, then by the part of the capacity that was in use at
-- most.
--
-- Parameters: :from_ns :to_ns :slots_ns :limit (-1: all)
-- Of the whole recording v_pool_sum has the figures; of a part of it, and in sessions of older versions, v_pool_use. There
-- the time of the most is the start of its slot.

INSERT INTO temp.pool_line
WITH ask AS (
  SELECT :from_ns > -9223372036854775808 OR :to_ns < 9223372036854775807 AS is_cut
), slots AS (
  -- With max() the column slot_ns is of the row that has it: SQLite's documented bare columns.
  SELECT pool_id, CAST(total(gets) AS INTEGER) AS gets, CAST(total(puts) AS INTEGER) AS puts,
         CAST(total(failures) AS INTEGER) AS failures, max(in_use_max) AS in_use_max, slot_ns AS in_use_max_t_ns
  FROM temp.pool_chosen CROSS JOIN ask CROSS JOIN pool_use USING (pool_id)
  WHERE (is_cut OR NOT has_sum) AND slot_ns >= :slots_ns AND slot_ns < :to_ns
  GROUP BY pool_id
), figures AS (
  SELECT p.pool_id, name, source, nullif(max(capacity, 0), 0) AS capacity, nullif(max(object_bytes, 0), 0) AS object_bytes,
         created_ns, destroyed_ns,
         CASE WHEN is_cut OR NOT has_sum THEN coalesce(slots.gets, 0) ELSE sums.gets END AS gets,
         CASE WHEN is_cut OR NOT has_sum THEN coalesce(slots.puts, 0) ELSE sums.puts END AS puts,
         CASE WHEN is_cut OR NOT has_sum THEN coalesce(slots.failures, 0) ELSE sums.failures END AS failures,
         CASE WHEN is_cut OR NOT has_sum THEN slots.in_use_max ELSE sums.in_use_max END AS in_use_max,
         CASE WHEN is_cut OR NOT has_sum THEN slots.in_use_max_t_ns ELSE sums.in_use_max_t_ns END AS in_use_max_t_ns,
         sums.threads
  FROM ask, temp.pool_chosen JOIN pool AS p USING (pool_id) LEFT JOIN slots USING (pool_id)
       LEFT JOIN pool_sum AS sums ON sums.pool_id = p.pool_id
)
SELECT row_number() OVER (ORDER BY failures > 0 DESC, 1.0 * in_use_max / capacity DESC NULLS LAST, gets DESC, pool_id),
       pool_id, name, source, capacity, object_bytes, created_ns, destroyed_ns, gets, puts, failures, in_use_max,
       in_use_max_t_ns, threads
FROM figures
ORDER BY 1
LIMIT :limit;
