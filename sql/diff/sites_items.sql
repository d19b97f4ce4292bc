-- SPDX-License-Identifier: MIT
-- Sites and operations (v_site), those that take most of the time first.
--
-- Parameters: :from_ns :to_ns (session clock, the end exclusive) :limit
-- Columns: key, as in sites_rows.sql; name, the site; op; is_slow

WITH named AS MATERIALIZED (
  SELECT stack_id, site, dense_rank() OVER (ORDER BY site) AS site_no FROM stack_site
), used AS (
  SELECT coalesce(site_no, 0) * 256 + op_id AS key, site, op_id, total(weight * dur_ns) AS time_ns
  FROM call LEFT JOIN named ON named.stack_id = call.stack_id
  WHERE t_ns >= :from_ns AND t_ns < :to_ns
  GROUP BY key
)
SELECT key, coalesce(site, '[no stack]') AS name, op.name AS op, op_id >= 32 AS is_slow
FROM used JOIN op USING (op_id)
ORDER BY time_ns DESC, key
LIMIT :limit;
