-- SPDX-License-Identifier: MIT
-- Private: a name for every frame, whatever is known of it. Not part of the public views.
--
--   frame_id
--   name      the function; else module+0xOFFSET (from the module's base; before symbolization, likewise where the
--             file was readable, else from its start); else the address in hex

CREATE VIEW frame_name AS
SELECT frame_id,
       CASE
         WHEN function IS NOT NULL THEN function
         -- What stands behind the last slash: rtrim() takes off every character that is not one.
         WHEN module IS NOT NULL THEN
           substr(module, length(rtrim(module, replace(module, '/', ''))) + 1) || printf('+0x%x', offset)
         ELSE coalesce(
           (SELECT substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)
                   || printf('+0x%x', coalesce(addr - bias, addr - start_addr + file_offset))
            FROM module WHERE module.module_id = frame.module_id),
           printf('0x%x', addr))
       END AS name
FROM frame;
