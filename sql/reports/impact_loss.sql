-- SPDX-License-Identifier: MIT
-- What being late cost (--cost-per-us), by cause and site. A span is late by what it took beyond the median of its
-- name; its cost is divided among the causes in it, in proportion to what each took of that; the rest is unexplained.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   name   of the spans
--   kind   a cause of v_cause, of kept calls; fault (of any kind), off_cpu, gc: parts of the span outside kept calls;
--          unexplained: nothing is known of it, or (site '[calls not kept]') allocations that were slow without a row
--   site   where it was; '[outside kept calls]': anywhere in the span
--   spans  late ones in which it was
--   late_ns  their lateness that it made up
--   cost   of that, in the currency of --cost-per-us
--   share  of the cost of the name
--
-- Caveats: spans that nest are late together: costs of different names must not be added. No rows: no cost was given.

SELECT name, kind, site, l.spans, CAST(late_ns AS INTEGER) AS late_ns, round(cost, 6) AS cost,
       cost / nullif(total(cost) OVER (PARTITION BY n), 0) AS share
FROM temp.impact_loss l JOIN temp.impact_span s USING (n) JOIN temp.impact_site_name USING (site_no)
ORDER BY l.cost DESC, n, kind, site
LIMIT :limit;
