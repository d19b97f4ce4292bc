-- SPDX-License-Identifier: MIT
-- What sites_items.sql is compared by. Columns as in operations_rows.sql; a row is a kept call, which stands for `weight`.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive)

WITH named AS MATERIALIZED (
  SELECT stack_id, dense_rank() OVER (ORDER BY site) AS site_no FROM stack_site
)
SELECT coalesce(site_no, 0) * 256 + op_id, t_ns, NULL, dur_ns, weight, 1.0 * weight * size_bytes, 1.0 * weight * dur_ns, dur_ns
FROM call LEFT JOIN named ON named.stack_id = call.stack_id
WHERE t_ns >= :from_ns AND t_ns < :to_ns;
