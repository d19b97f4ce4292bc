-- SPDX-License-Identifier: MIT
-- What spans would take without one thing that made them longer; computed span by span, then percentiles are taken
-- anew.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   name
--   kind           without what. Of the whole span: alloc: each allocation call takes the median of its site and
--                  operation; fault: no page faults; off_cpu: no time off the CPU; gc: no pauses of a collector. With
--                  a site: a cause of v_cause in kept calls of this site; those that take the most of the slowest 1 %
--   site           NULL: of the whole span
--   known_spans    spans that tell all of it. The others are as they were, but for alloc, where their kept calls count:
--                  what is gained is more. NULL: with a site, kept calls count, always
--   shorter_spans  spans that would be shorter
--   p50_ns p99_ns p999_ns max_ns   what would be; NULL: nothing is known of it
--   saved_share    of the p99, the part that would be saved
--
-- Caveats: kept calls are all outliers, but of the others a sample: of causes that make many calls a little slower,
-- much is not seen at a site. Of alloc, calls that are not kept are estimated (analysis/impact/impact.h): right for
-- percentiles of many spans, not for a single one. Things overlap: what two of them would save together is not the sum.
-- Of unexplained time at a site, only what is beyond the median of the site counts. By the uprobe plane each
-- allocation call makes a span longer by what its probes cost (v_session, key 'cost_ns'); that stays in all figures.

SELECT name, kind, site, known_spans, shorter_spans, w.p50_ns, w.p99_ns, w.p999_ns, w.max_ns,
       1.0 * (s.p99_ns - w.p99_ns) / nullif(s.p99_ns, 0) AS saved_share
FROM temp.impact_what_if w JOIN temp.impact_span s USING (n) LEFT JOIN temp.impact_site_name USING (site_no)
ORDER BY n, site IS NOT NULL, saved_share DESC, kind, site
LIMIT :limit;
