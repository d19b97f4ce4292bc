-- SPDX-License-Identifier: MIT
-- `explain --call`: the stack of the call, innermost function first; no rows: none was taken.
--
-- Columns: as in v_stack.

SELECT depth, name, file, line, module, inlined, source, unwound, ended
FROM v_stack
WHERE v_stack.stack_id = (SELECT stack_id FROM why_call)
ORDER BY depth;
