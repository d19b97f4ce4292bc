-- SPDX-License-Identifier: MIT
-- Which component a followed block belongs to: by block_id its component_id, as call_component says it of calls.

CREATE VIEW block_component AS
SELECT block_id,
       coalesce((SELECT component_id FROM component_scope WHERE component_scope.scope_id = block.scope_id),
                (SELECT component_id FROM component_stack JOIN component_rule USING (rule_id)
                 WHERE component_stack.stack_id = coalesce(block.stack_id, 0)
                   AND block.size_bytes BETWEEN min_bytes AND max_bytes
                   AND (NOT is_of_threads OR EXISTS (SELECT 1 FROM component_thread
                          WHERE component_thread.rule_id = component_stack.rule_id AND component_thread.tid = block.tid))
                 ORDER BY rank LIMIT 1), 0) AS component_id
FROM block
WHERE EXISTS (SELECT 1 FROM component);
