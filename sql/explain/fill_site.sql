-- SPDX-License-Identifier: MIT
-- Private: the sums by stack as sums by site (tables.sql).

INSERT INTO why_site
SELECT kind, coalesce(site, '[no stack]'), sum(calls), sum(n), sum(ns), sum(tail_calls), sum(tail_ns)
FROM (SELECT kind, (SELECT site FROM stack_site WHERE stack_site.stack_id = why_cell.stack_id) AS site,
             calls, n, ns, tail_calls, tail_ns
      FROM why_cell WHERE kind IS NOT NULL)
GROUP BY 1, 2;
