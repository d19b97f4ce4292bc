-- SPDX-License-Identifier: MIT
-- What allocation costs an order: spans by name, those with the most time first.
--
-- Parameters: :limit (-1: all); the rest of the filter is in temp.impact_* (sql/temp/impact.sql)
-- Columns:
--   name     as in v_span; '[other names]': beyond the first 255
--   spans    how many
--   p50_ns p90_ns p99_ns p999_ns   nearest rank, exact
--   max_ns
--   time_ns  all of them together
--
-- Caveats: by the uprobe plane each allocation call in a span makes it longer by what its probes cost (v_session, key
-- 'cost_ns').

SELECT name, spans, p50_ns, p90_ns, p99_ns, p999_ns, max_ns, CAST(time_ns AS INTEGER) AS time_ns
FROM temp.impact_span
ORDER BY n
LIMIT :limit;
