-- SPDX-License-Identifier: MIT
-- What is not known of the pools, and why.
--
-- Columns:
--   note
-- Reads temporary tables of sql/pools/tables.sql.

SELECT text AS note FROM temp.pool_note ORDER BY place;
