-- SPDX-License-Identifier: MIT
-- The memory behind pools of variable size and heaps, over time: 20 of the times at which it was looked at.
--
-- Parameters: :from_ns :to_ns :start_ns (of the recording)
-- Columns:
--   name, t_ns           since the start of the recording
--   total_bytes used_bytes free_bytes largest_free_bytes free_pieces   as in v_pool_heap
--   unfit_bytes          free, but in pieces too small for what is asked for; unfit_share: of free_bytes: external
--                        fragmentation
--   slack_share          of used_bytes, what was not asked for: internal fragmentation; NULL: not known
--
-- Reads temporary tables of sql/pools/tables.sql.

WITH seen AS (
  SELECT place, name, h.*, row_number() OVER (PARTITION BY h.pool_id ORDER BY t_ns DESC) AS nth, count(*) OVER (PARTITION BY h.pool_id) AS times
  FROM temp.pool_line JOIN v_pool_heap AS h USING (pool_id)
  WHERE t_ns >= :from_ns AND t_ns < :to_ns
)
SELECT name, t_ns - :start_ns AS t_ns, total_bytes, used_bytes, free_bytes, largest_free_bytes, free_pieces, unfit_bytes,
       1.0 * unfit_bytes / nullif(free_bytes, 0) AS unfit_share,
       max(1 - 1.0 * requested_bytes / nullif(used_bytes, 0), 0) AS slack_share
FROM seen
WHERE (nth - 1) % ((times + 19) / 20) = 0
ORDER BY place, t_ns;
