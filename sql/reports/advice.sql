-- SPDX-License-Identifier: MIT
-- What to change: what the rules of sql/advice/ find, the one that costs most first.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   rule       the file in sql/advice/
--   kind       the cause that it is about; NULL: of a site, whatever the cause; cache: of samples (report cache); pool: of a pool (report pools);
--              gc: of garbage collections (report gc); session: of a phase of the trading session (report session)
--   weight_ns  time in slow calls that it is about; NULL: it is about samples, pools, collections or phases, which come after these, the one
--              with the largest share of their latency, of what the pool does, of paused time, or of the phase's allocation time, first
--   finding    what was seen
--   site       the site that has most of it; NULL: none in particular
--   evidence   the figures
--   advice     what to do
--
-- Caveats: of slow calls as in v_outlier. Each rule states in its file from which share on it speaks.

SELECT rule, kind, weight_ns, finding, site, evidence, advice
FROM why_advice
ORDER BY rule = 'unexplained', weight_ns DESC, share DESC, rule, kind, site
LIMIT :limit;
