-- SPDX-License-Identifier: MIT
-- What causes_items.sql is compared by: each part of an outlier, or of any call of a recording that kept all. A call of which
-- nothing is known is unexplained. Columns as in operations_rows.sql; amount1 is ns.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH kind AS (
  SELECT DISTINCT kind FROM cause UNION SELECT 'unexplained'
), numbered AS MATERIALIZED (
  SELECT kind, dense_rank() OVER (ORDER BY kind) AS key FROM kind
), part AS (
  SELECT call.t_ns, coalesce(cause.kind, 'unexplained') AS kind, coalesce(cause.dur_ns, call.dur_ns) AS dur_ns
  FROM call LEFT JOIN cause ON cause.call_id = call.call_id
  WHERE call.kept <> 2 AND t_ns >= :from_ns AND t_ns < :to_ns
)
SELECT key, t_ns, NULL, NULL, 1, dur_ns, 0, dur_ns
FROM part JOIN numbered USING (kind);
