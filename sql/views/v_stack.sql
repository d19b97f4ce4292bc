-- SPDX-License-Identifier: MIT
-- Call stacks, a row a function: inlined ones are rows of their own.
--
--   stack_id
--   depth         0 is the caller of the allocator, the innermost function
--   function      demangled; NULL: not known
--   module        path of the file; NULL: not known
--   file, line    of the source: of the call, or of the allocation at depth 0; NULL: not known
--   offset        from the function's start (that of the function which holds the code, where this one is inlined);
--                 from the module's base where no function is known, bytes
--   addr          of the code; the return address of the call
--   name          function, else module+0xOFFSET, else the address: always a text
--   inlined       1: the function has no frame of its own here, its code is within that of the next row
--   source        what the name is from: dwarf, symtab, debugdata, jitdump, jit map, dynsym; NULL: no name
--   unwound       how the stack was found, the worst of its frames: cfi, fp (frame pointers), guess (a scan for code
--                 addresses in a JIT compiler's stack); NULL: not told
--   ended         why it ends: outermost (it is whole), cut (more frames than were copied), lost (no rule for the
--                 code of the last one), full (more frames than fit)
--
-- Example: SELECT depth, name, file, line FROM v_stack WHERE stack_id = 1 ORDER BY depth

CREATE VIEW v_stack AS
SELECT stack_id,
       coalesce(stack_frame.shown, stack_frame.depth) + coalesce(level, 0) AS depth,
       CASE WHEN level IS NULL THEN frame.function ELSE frame_inline.function END AS function,
       coalesce(frame.module, module.path) AS module,
       CASE WHEN level IS NULL THEN frame.file ELSE frame_inline.file END AS file,
       CASE WHEN level IS NULL THEN frame.line ELSE frame_inline.line END AS line,
       coalesce(frame.offset, frame.addr - bias, frame.addr - start_addr + file_offset) AS offset, frame.addr, coalesce(frame_inline.function, frame_name.name) AS name,
       level IS NOT NULL AND level < (SELECT max(level) FROM frame_inline AS last
                                      WHERE last.frame_id = frame.frame_id) AS inlined,
       CASE frame.quality WHEN 1 THEN 'dynsym' WHEN 2 THEN 'jit map' WHEN 3 THEN 'debugdata' WHEN 4 THEN 'symtab'
                          WHEN 5 THEN 'jitdump' WHEN 6 THEN 'dwarf' END AS source,
       CASE stack.quality WHEN 1 THEN 'guess' WHEN 2 THEN 'fp' WHEN 3 THEN 'cfi' END AS unwound,
       CASE WHEN stack.quality > 0
            THEN CASE stack.ended WHEN 0 THEN 'outermost' WHEN 1 THEN 'cut' WHEN 2 THEN 'lost' WHEN 3 THEN 'full' END
       END AS ended
FROM stack_frame
  JOIN stack USING (stack_id)
  JOIN frame USING (frame_id)
  JOIN frame_name USING (frame_id)
  LEFT JOIN module ON module.module_id = frame.module_id
  LEFT JOIN frame_inline USING (frame_id);
