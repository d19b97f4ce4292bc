-- SPDX-License-Identifier: MIT
-- Sites with two modes of latency, a fast path and a slow one, the surest first.
--
-- Parameters: :limit (-1: the 5 surest)
-- Columns:
--   op, site
--   rows                     kept calls behind the figures
--   fast_ns, slow_ns         median of the calls on either side of the valley between the modes
--   fast_share, slow_share   of the site's calls, 0 to 1, estimated from the kept calls
--   valley_ns                where it is deepest: at most half as high as the lower mode, on a logarithmic scale
--   p_value                  that there is one mode, all sites taken together
--
-- Caveats: modes less than an octave apart, or with less than a twentieth of the calls, do not show. Filled by
-- analysis/patterns/patterns.c.

SELECT op.name AS op, site, rows, fast_ns, fast_share, slow_ns, slow_share, valley_ns, p_value
FROM temp.pattern_mode JOIN op USING (op_id)
ORDER BY p_value, rows DESC, site, op_id
LIMIT CASE WHEN :limit < 0 THEN 5 ELSE :limit END;
