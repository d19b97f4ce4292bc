-- SPDX-License-Identifier: MIT
-- Kept calls that began while their thread said which component it was in (MPSAMPLE_COMPONENT_BEGIN): by call_id its
-- component_id. Of sessions of older versions it is a table without rows (store/session.c).

CREATE VIEW call_scope AS
SELECT call_id, component_id FROM call JOIN component_scope USING (scope_id);
