-- SPDX-License-Identifier: MIT
-- Private: what is alive at the end of each phase, of the blocks that were born in the recording: an estimate where blocks are
-- a sample. Not part of the public views.
--
--   phase_id
--   live_bytes  NULL: no blocks were followed

CREATE VIEW phase_live AS
SELECT phase_id,
       CASE WHEN EXISTS (SELECT 1 FROM block)
            THEN (SELECT total(size_bytes * weight) FROM block
                  WHERE born_ns < coalesce(end_ns, 9223372036854775807) AND (died_ns IS NULL OR died_ns >= coalesce(end_ns, 9223372036854775807)))
       END AS live_bytes
FROM phase;
