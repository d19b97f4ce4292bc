-- SPDX-License-Identifier: MIT
-- Which component a kept call belongs to: by call_id its component_id, that which its thread said it was in, else as the
-- rules say; 0 where none decides. No rows where there are neither rules nor such markers. A free belongs to who frees: its
-- rules of sizes see 0 bytes.

CREATE VIEW call_component AS
SELECT call_id,
       coalesce((SELECT component_id FROM call_scope
                 WHERE EXISTS (SELECT 1 FROM component_scope) AND call_scope.call_id = call.call_id),
                (SELECT component_id FROM component_stack JOIN component_rule USING (rule_id)
                 WHERE component_stack.stack_id = coalesce(call.stack_id, 0)
                   AND call.size_bytes BETWEEN min_bytes AND max_bytes
                   AND (NOT is_of_threads OR EXISTS (SELECT 1 FROM component_thread
                          WHERE component_thread.rule_id = component_stack.rule_id AND component_thread.tid = call.tid))
                 ORDER BY rank LIMIT 1), 0) AS component_id
FROM call
WHERE EXISTS (SELECT 1 FROM component);
