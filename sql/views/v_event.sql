-- SPDX-License-Identifier: MIT
-- The perf events that were sampled or counted.
--
--   event       as it was asked for (record -e, --count), or as an imported recording names it
--   chosen      what that came to on the machine: the name or number of its encoding
--   is_sampled  1: its samples are in v_sample; 0: it is only counted, in v_counter
--   quality     the best that its samples can be, as in v_sample
--   note        what is known to be missing; NULL: nothing
--
-- Example: SELECT event, chosen, quality FROM v_event

CREATE VIEW v_event AS
SELECT name AS event, chosen, is_sampled,
       CASE quality WHEN 0 THEN 'software' WHEN 1 THEN 'counter' WHEN 2 THEN 'precise' WHEN 3 THEN 'breakpoint'
                    WHEN 4 THEN 'data' WHEN 5 THEN 'spe' WHEN 6 THEN 'ibs' WHEN 7 THEN 'pebs' END AS quality, note
FROM event;
