-- SPDX-License-Identifier: MIT
-- Call stacks, a row a frame.
--
--   stack_id
--   depth         0 is the caller of the allocator, the innermost frame
--   function      demangled; NULL: not known
--   module        path of the file; NULL: not known
--   file, line    of the source; NULL: not known
--   offset        from the function's start; from the module's base where no function is known, bytes
--   addr          of the code; the return address of the call
--   name          function, else module+0xOFFSET, else the address: always a text
--
-- Example: SELECT depth, name FROM v_stack WHERE stack_id = 1 ORDER BY depth

CREATE VIEW v_stack AS
SELECT stack_id, depth, function,
       coalesce(module, (SELECT path FROM module
                         WHERE addr >= start_addr AND addr < end_addr
                         ORDER BY t_ns DESC LIMIT 1)) AS module,
       file, line, offset, addr, name
FROM stack_frame JOIN frame USING (frame_id) JOIN frame_name USING (frame_id);
