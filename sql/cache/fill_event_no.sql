-- SPDX-License-Identifier: MIT
-- Private: events by number (tables.sql).

INSERT INTO cache_event_no
SELECT row_number() OVER (ORDER BY is_sampled DESC, event_id) - 1, event_id
FROM event ORDER BY is_sampled DESC, event_id LIMIT 64;
