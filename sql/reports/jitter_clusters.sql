-- SPDX-License-Identifier: MIT
-- Bursts of outliers: more in a short time than a Poisson process brings, the surest first.
--
-- Parameters: :start_ns (of the recording) :limit (-1: the 5 surest)
-- Columns:
--   t_ns             of the first outlier, since the start of the recording
--   dur_ns           to the last one
--   outliers         in it
--   expected         by chance in a window of its width: at the rate of the recording, or before it, or after it,
--                    whichever is highest
--   p_value          that chance made it, all windows of all widths (100 us to 1.6 s) taken together
--   trait, value     what they have in common: the thread, site, size, op or largest cause (v_cause) whose share in the
--                    cluster is most above its share in the other outliers; NULL: none by a tenth or more
--   share            of the outliers in the cluster, 0 to 1
--   elsewhere_share  of all others
--
-- Caveats: filled by analysis/patterns/patterns.c.

SELECT t_ns - :start_ns AS t_ns, dur_ns, outliers, round(expected, 2) AS expected, p_value, trait, value, share,
       elsewhere_share
FROM temp.pattern_cluster
ORDER BY p_value, outliers DESC, t_ns
LIMIT CASE WHEN :limit < 0 THEN 5 ELSE :limit END;
