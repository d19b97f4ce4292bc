-- SPDX-License-Identifier: MIT
-- What happened to the pools that are told of, by kind.
--
-- Parameters: :from_ns :to_ns

INSERT INTO temp.pool_happened
SELECT pool_id, kind, count(*), min(t_ns), max(t_ns)
FROM pool_event
WHERE pool_id IN (SELECT pool_id FROM temp.pool_line) AND t_ns >= :from_ns AND t_ns < :to_ns
GROUP BY pool_id, kind;
