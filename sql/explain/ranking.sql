-- SPDX-License-Identifier: MIT
-- `explain`: causes by site, the most time first.
--
-- Parameters: :people (1: only the first 15 rows, and the same advice once)
-- Columns:
--   kind        as in v_cause
--   site        as in v_call
--   calls       slow calls (as in v_outlier) of this site with this cause
--   total_ns    time by this cause in them
--   share       of the time of all slow calls, 0 to 1
--   tail_share  of the time of those at or above the p99.9 of their operation, 0 to 1; NULL: there are none
--   advice      of the rules of sql/advice/, what fits best: one for this cause at this site, else one for this cause,
--               else one for this site; NULL: the figures carry none

WITH most AS MATERIALIZED (
  SELECT kind, site, calls, ns, tail_ns FROM why_site
  ORDER BY ns DESC, kind, site LIMIT CASE WHEN :people THEN 15 ELSE -1 END
), advised AS MATERIALIZED (
  SELECT most.*,
         coalesce((SELECT advice FROM why_advice AS a WHERE a.kind = most.kind AND a.site = most.site
                   ORDER BY a.weight_ns DESC, a.rule LIMIT 1),
                  (SELECT advice FROM why_advice AS a WHERE a.kind = most.kind
                   ORDER BY a.weight_ns DESC, a.rule LIMIT 1),
                  (SELECT advice FROM why_advice AS a WHERE a.kind IS NULL AND a.site = most.site
                   ORDER BY a.weight_ns DESC, a.rule LIMIT 1)) AS advice
  FROM most
)
SELECT kind, site, advised.calls, advised.ns AS total_ns,
       round(advised.ns * 1.0 / nullif(why_total.ns, 0), 4) AS share,
       round(advised.tail_ns * 1.0 / nullif(why_total.tail_ns, 0), 4) AS tail_share,
       CASE WHEN :people AND advice IS NOT NULL
                 AND row_number() OVER (PARTITION BY advice ORDER BY advised.ns DESC, kind, site) > 1
            THEN '(as above)' ELSE advice END AS advice
FROM advised, why_total
ORDER BY advised.ns DESC, kind, site;
