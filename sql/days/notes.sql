-- SPDX-License-Identifier: MIT
-- What speaks against a comparison of the days, in words.
--
-- Parameters: :limit (-1: all)

SELECT line AS note FROM note ORDER BY line_no LIMIT :limit;
