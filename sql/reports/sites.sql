-- SPDX-License-Identifier: MIT
-- Where memory operations come from, the most time first: one row for each site and operation.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   share           of the time of all sites, 0 to 1
--   time_ns         estimated time spent: sum of weight x duration
--   op
--   calls, bytes    unbiased estimates: sums of weights (x size) over the kept calls
--   rows            the kept calls behind the estimates
--   p50_ns, p99_ns  weighted, nearest rank
--   max_ns          the slowest kept call
--   site            the first function outside the allocator, as in v_call
--
-- Caveats: estimates from a sample: with few rows behind them, the percentiles of a site are coarse.
-- Reads temporary tables of analysis/sites/sites.h.

SELECT time_ns / nullif((SELECT total(time_ns) FROM temp.sites_sum), 0) AS share, time_ns, op.name AS op,
       calls, bytes, rows, p50_ns, p99_ns, max_ns, coalesce(site, '[no stack]') AS site
FROM temp.sites_sum JOIN op USING (op_id) LEFT JOIN temp.sites_name USING (site_no)
ORDER BY time_ns DESC, site, op_id
LIMIT :limit;
