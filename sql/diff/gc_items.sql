-- SPDX-License-Identifier: MIT
-- Kinds of pauses for garbage collection (v_gc).
--
-- Parameters: :limit
-- Columns: key, as in gc_rows.sql; name, the runtime; op, the kind; is_slow, 0

WITH kind AS (
  SELECT DISTINCT runtime, coalesce(kind, 'any') AS kind FROM gc WHERE is_pause
)
SELECT row_number() OVER (ORDER BY runtime, kind) AS key, runtime AS name, kind AS op, 0 AS is_slow
FROM kind
ORDER BY key
LIMIT :limit;
