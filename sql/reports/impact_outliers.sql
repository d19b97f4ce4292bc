-- SPDX-License-Identifier: MIT
-- Spans with an allocation outlier in them beside those without.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   name
--   with_spans     a call that was kept as an outlier (v_call) lies in them; where every call is kept, one at or above
--                  the p99.9 of its operation
--   with_p50_ns, with_p99_ns         NULL: there are none
--   without_spans, without_p50_ns, without_p99_ns   the others
--
-- Caveats: allocation outliers are about the slowest 0.1 % of calls: a span without one may have slow calls in it.

SELECT name, y.spans AS with_spans, y.p50_ns AS with_p50_ns, y.p99_ns AS with_p99_ns,
       o.spans AS without_spans, o.p50_ns AS without_p50_ns, o.p99_ns AS without_p99_ns
FROM temp.impact_span s
  JOIN temp.impact_outlier y ON y.n = s.n AND y.outlier = 1
  JOIN temp.impact_outlier o ON o.n = s.n AND o.outlier = 0
ORDER BY s.n
LIMIT :limit;
