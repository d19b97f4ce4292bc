-- SPDX-License-Identifier: MIT
-- Private: the site of every stack. Not part of the public views.
--
--   stack_id
--   site      the first frame outside the allocator; before symbolization, its innermost frame

CREATE VIEW stack_site AS
SELECT stack_id,
       coalesce(site,
                (SELECT name FROM stack_frame JOIN frame_name USING (frame_id)
                 WHERE stack_frame.stack_id = stack.stack_id ORDER BY depth LIMIT 1),
                '[no stack]') AS site
FROM stack;
