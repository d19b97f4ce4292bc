-- SPDX-License-Identifier: MIT
-- Followed blocks, from birth to end: all of them (record --track all), or a sample drawn by size.
--
--   block_id
--   addr, size_bytes  size: asked for
--   op, tid           by what call and thread it was born
--   site              as in v_call
--   stack_id          of its allocation, for v_stack; NULL: no stack was taken
--   born_ns           session clock: that call returned
--   died_ns           its release began; of a lost one, until then it was known to be alive; NULL: alive at the end
--   ended             alive | freed | moved (by realloc, to another block at this address or elsewhere) | lost (nobody
--                     told its end, as when a ring was full, or the program was replaced by another)
--   free_tid          who released it; NULL: not known, or nobody
--   weight            it stands for so many: 1 / the probability that it is here
--
-- Estimates: sums of weight x y are unbiased for the sum of y over all blocks (Horvitz and Thompson): y = 1 counts
-- blocks, y = size_bytes their bytes, of any choice of rows that does not look at the weight. Blocks are drawn one
-- by one, so the variance of such a sum is, unbiased, the sum of weight x (weight - 1) x y x y: 0 where all are followed.
-- 95 % of the time the truth lies within 2 of its roots, where some dozen rows stand behind it; of fewer, wider.
-- Example: SELECT site, sum(weight * size_bytes) FROM v_block WHERE ended = 'alive' GROUP BY site

CREATE VIEW v_block AS
SELECT block_id, addr, size_bytes, op.name AS op, tid,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = block.stack_id), '[no stack]') AS site,
       stack_id, born_ns, died_ns, CASE ended WHEN 0 THEN 'alive' WHEN 1 THEN 'freed' WHEN 2 THEN 'moved' ELSE 'lost' END AS ended,
       free_tid, weight
FROM block JOIN op USING (op_id);
