-- SPDX-License-Identifier: MIT
-- Private: the sums by cause alone (tables.sql).

INSERT INTO why_kind
WITH shares AS (
  SELECT kind, sum(why_site.calls) AS calls, sum(n) AS n, sum(why_site.ns) AS ns,
         sum(why_site.tail_calls) AS tail_calls, sum(why_site.tail_ns) AS tail_ns,
         total(why_site.ns) / nullif(why_total.ns, 0) AS share,
         total(why_site.tail_ns) / nullif(why_total.tail_ns, 0) AS tail_share,
         why_total.calls AS all_calls
  FROM why_site, why_total
  GROUP BY kind
)
SELECT kind, calls, n, ns, tail_calls, tail_ns, share, tail_share,
       max(coalesce(share, 0), coalesce(tail_share, 0)),
       (SELECT site FROM why_site WHERE why_site.kind = shares.kind ORDER BY why_site.ns DESC, site LIMIT 1),
       printf('in %d of %d slow calls, %.1f ms: %.1f %% of their time', calls, all_calls, ns / 1e6, share * 100)
       || CASE WHEN tail_share IS NULL THEN '' ELSE printf(', %.1f %% beyond p99.9', tail_share * 100) END
FROM shares;
