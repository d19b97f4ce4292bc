-- SPDX-License-Identifier: MIT
-- What the uprobe plane put into the target: one row a probed function. Of the preload plane spans only.
--
--   op             the operation that its calls are counted as; 'marker': a marker of <mpsample.h>; 'span': a function
--                  that --spans named, of which the ends are probed as well
--   function       the symbol, in
--   module         this file, of
--   allocator      this allocator
--   file_offset    of the probed instruction, bytes
--   skipped_bytes  from the function's entry to it
--
-- Example: SELECT op, allocator, function FROM v_probe

CREATE VIEW v_probe AS
SELECT coalesce(op.name, CASE op_id WHEN 254 THEN 'span' WHEN 253 THEN 'pool' WHEN 252 THEN 'gc' ELSE 'marker' END) AS op, function, module, allocator, file_offset, skipped_bytes
FROM probe LEFT JOIN op USING (op_id);
