-- SPDX-License-Identifier: MIT
-- Private: a name for every frame, whatever is known of it. Not part of the public views.
--
--   frame_id
--   name      the function; else module+0xOFFSET (from the module's base; before symbolization, from the start of
--             the file); else the address in hex

CREATE VIEW frame_name AS
SELECT frame_id,
       CASE
         WHEN function IS NOT NULL THEN function
         -- What stands behind the last slash: rtrim() takes off every character that is not one.
         WHEN module IS NOT NULL THEN
           substr(module, length(rtrim(module, replace(module, '/', ''))) + 1) || printf('+0x%x', offset)
         ELSE coalesce(
           (SELECT substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)
                   || printf('+0x%x', addr - start_addr + file_offset)
            FROM module
            WHERE addr >= start_addr AND addr < end_addr
            ORDER BY t_ns DESC LIMIT 1),
           printf('0x%x', addr))
       END AS name
FROM frame;
