-- SPDX-License-Identifier: MIT
-- What differs from the ordinary day, in words, the surest first; that nothing does, where that is so.
--
-- Parameters: :limit (-1: all)

SELECT line AS sentence FROM sentence ORDER BY line_no LIMIT :limit;
