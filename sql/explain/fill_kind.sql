-- SPDX-License-Identifier: MIT
-- Private: the sums by cause alone (tables.sql). Shares are of all slow calls' time, 0 to 1; NULL: there was none.

INSERT INTO why_kind
SELECT kind, sum(why_site.calls), sum(n), sum(why_site.ns), sum(why_site.tail_calls), sum(why_site.tail_ns),
       total(why_site.ns) / nullif(why_total.ns, 0), total(why_site.tail_ns) / nullif(why_total.tail_ns, 0),
       (SELECT site FROM why_site AS most WHERE most.kind = why_site.kind ORDER BY most.ns DESC, site LIMIT 1)
FROM why_site, why_total
GROUP BY kind;
