-- SPDX-License-Identifier: MIT
-- Why a comparison may not be fair; no rows: nothing is known against it.

SELECT note FROM diff_note ORDER BY note_no;
