-- SPDX-License-Identifier: MIT
-- Private: a call that is to be shown (tables.sql).

INSERT INTO why_call (call_id, t_ns, tid, op_id, size_bytes, dur_ns, stack_id)
SELECT call_id, t_ns, tid, op_id, size_bytes, max(dur_ns, 0), stack_id FROM call WHERE call_id = :call_id;
