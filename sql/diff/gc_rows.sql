-- SPDX-License-Identifier: MIT
-- What gc_items.sql is compared by: each pause, from the order to stop until the threads were let go. Columns as in
-- operations_rows.sql.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH kind AS (
  SELECT DISTINCT runtime, coalesce(kind, 'any') AS kind FROM gc WHERE is_pause
), numbered AS MATERIALIZED (
  SELECT runtime, kind, row_number() OVER (ORDER BY runtime, kind) AS key FROM kind
)
SELECT key, t_ns, NULL, coalesce(stopped_ns, dur_ns), 1, 0, coalesce(stopped_ns, dur_ns), coalesce(stopped_ns, dur_ns)
FROM gc JOIN numbered ON numbered.runtime = gc.runtime AND numbered.kind = coalesce(gc.kind, 'any')
WHERE is_pause AND t_ns >= :from_ns AND t_ns < :to_ns;
