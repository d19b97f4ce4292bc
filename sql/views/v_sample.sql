-- SPDX-License-Identifier: MIT
-- Samples of perf events: of the hardware, of the kernel's own counts, and of watched addresses.
--
--   t_ns        session clock
--   tid, cpu    cpu is NULL where it was not recorded
--   event       as it was asked for (record -e), or as an imported recording names it
--   ip          the sampled instruction
--   addr        of the data; NULL: not told
--   period      the sample stands for so many of the event: sums over it estimate all, without bias
--   weight      how long the access took, in cycles of the CPU; NULL: not told
--   level       from where the data came: L1 LFB L2 L3 'other cache' 'local DRAM' 'remote DRAM' 'other memory'
--   quality     what the sample rests on: software, counter, precise, breakpoint, data, spe, ibs, pebs. From `data` on
--               with the data's address and source
--   object_id   the tracked allocation that held the address, for v_object; NULL: none is known
--   site        where that was allocated
--   offset      of the address in that object, or in the symbol or file
--   age_ns      how old the object was
--   place       what the address lies in: object, pool, stack, data (of a module), file, older (an allocation from before
--               the recording), untracked (the heap, in no allocation that was seen), unknown
--   place_name  the variable of a module (its file where that has no name), the file or pool
--   tlb         hit, or walk: the page tables were walked
--   is_write    NULL: not known
--   code        the function that the instruction is in
--   stack_id    for v_stack: how the code was reached, depth 0 is the instruction itself
--   sample_id
--
-- Example: SELECT site, offset / 64 AS line, sum(weight) FROM v_sample WHERE object_id GROUP BY 1, 2 ORDER BY 3 DESC

CREATE VIEW v_sample AS
SELECT sample.t_ns, sample.tid, cpu, event.name AS event, ip, sample.addr, period, weight,
       CASE level WHEN 1 THEN 'L1' WHEN 2 THEN 'LFB' WHEN 3 THEN 'L2' WHEN 4 THEN 'L3' WHEN 5 THEN 'other cache'
                  WHEN 6 THEN 'local DRAM' WHEN 7 THEN 'remote DRAM' WHEN 8 THEN 'other memory' END AS level,
       CASE sample.quality WHEN 0 THEN 'software' WHEN 1 THEN 'counter' WHEN 2 THEN 'precise' WHEN 3 THEN 'breakpoint'
                           WHEN 4 THEN 'data' WHEN 5 THEN 'spe' WHEN 6 THEN 'ibs' WHEN 7 THEN 'pebs' END AS quality,
       object_id,
       CASE WHEN object_id THEN
         coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = object.stack_id), '[no stack]') END AS site,
       offset, sample.t_ns - born_ns AS age_ns,
       CASE place WHEN 0 THEN 'unknown' WHEN 1 THEN 'object' WHEN 2 THEN 'pool' WHEN 3 THEN 'stack' WHEN 4 THEN 'data'
                  WHEN 5 THEN 'file' WHEN 6 THEN 'older' WHEN 7 THEN 'untracked' END AS place,
       place_name, CASE tlb WHEN 1 THEN 'hit' WHEN 2 THEN 'walk' END AS tlb, is_write,
       (SELECT name FROM stack_frame JOIN frame_name USING (frame_id)
        WHERE stack_frame.stack_id = sample.stack_id AND depth = 0) AS code,
       sample.stack_id, sample_id
FROM sample JOIN event USING (event_id) LEFT JOIN object USING (object_id);
