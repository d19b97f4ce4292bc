-- SPDX-License-Identifier: MIT
-- Garbage collections of the runtimes in the target.
--
--   t_ns              the collector begins to work, on the session clock; dur_ns: so long it does
--   ttsp_ns           of a pause: how long the threads took to stop before it (time to safepoint); NULL: not seen
--   stopped_ns        of a pause: from the order to stop until the threads were let go; NULL: that is dur_ns
--   is_pause          0: it worked beside the program, which went on
--   runtime           hotspot cpython v8 go boehm, or as a profile names it
--   kind              young mixed full remark cleanup ... (HotSpot), scavenge mark-compact (V8), gen0 gen1 gen2 (CPython)
--   cause             in the runtime's words; NULL: not told
--   tid               the thread that did it, of a pause
--   bytes_since_last  that the runtime had given out since the collection before; NULL: not known
--   source            probes: seen while recording; log: read from the runtime's own log (`mpsample import`)
--
-- Example: SELECT runtime, kind, count(*), max(coalesce(stopped_ns, dur_ns)) FROM v_gc WHERE is_pause GROUP BY 1, 2

CREATE VIEW v_gc AS
SELECT gc_id, t_ns, dur_ns, ttsp_ns, runtime, kind, cause, tid, bytes_since_last, stopped_ns, is_pause, source FROM gc;
