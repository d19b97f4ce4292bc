-- SPDX-License-Identifier: MIT
-- Calls that were kept as rows.
--
--   call_id     not in the order of time: a call may be written after later ones
--   t_ns        session clock: start of the call
--   tid, op
--   size_bytes  asked for; 0 for free and delete
--   addr        the block returned; the block handed in for free and delete
--   dur_ns      the plane's floor is subtracted
--   kept        outlier: slower than the keep-over limit of its time, all such are kept;
--               sample: drawn at random from the rest;  full: everything was kept
--   weight      how many calls the row stands for: sums over weight estimate all calls, without bias
--   stack_id    for v_stack; NULL: no stack was taken
--   site        the first function outside the allocator and its wrappers; before symbolization module+0xOFFSET or
--               the address of the innermost frame; '[no stack]'
--   component   the part of the program that it belongs to: what its thread said that it was in when it began
--               (MPSAMPLE_COMPONENT_BEGIN), else by the rules of `record --components` or `mpsample classify`; 'other':
--               neither decides; NULL: there are neither rules nor such markers
--
-- Caveats: where `record --max-size` needed room, samples and the fastest outliers stand for more calls than before
-- (v_thinned). Rows that were lost (v_loss, what = 'rows') are missing here, and counted in v_latency.
-- Example: SELECT t_ns, op, size_bytes, dur_ns, site FROM v_call ORDER BY dur_ns DESC LIMIT 10

CREATE VIEW v_call AS
SELECT call_id, t_ns, tid, op.name AS op, size_bytes, addr, dur_ns,
       CASE kept WHEN 1 THEN 'outlier' WHEN 2 THEN 'sample' WHEN 3 THEN 'full' END AS kept,
       weight, stack_id,
       coalesce((SELECT site FROM stack_site WHERE stack_site.stack_id = call.stack_id), '[no stack]') AS site,
       (SELECT name FROM call_component JOIN component USING (component_id)
        WHERE call_component.call_id = call.call_id) AS component
FROM call JOIN op USING (op_id);
