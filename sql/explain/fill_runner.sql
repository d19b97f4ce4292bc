-- SPDX-License-Identifier: MIT
-- Private: who ran instead of the target's threads (tables.sql), from "ran: NAME/TID"; NAME may hold slashes.

INSERT INTO why_runner
WITH named AS (
  SELECT substr(rtrim(detail, '0123456789'), 6) AS name,
         CAST(substr(detail, length(rtrim(detail, '0123456789')) + 1) AS INTEGER) AS tid, calls, ns
  FROM why_detail
  WHERE kind = 'off_cpu' AND detail GLOB 'ran: */[0-9]*'
)
SELECT rtrim(name, '/'), tid,
       CASE WHEN tid = 0 THEN 'idle' WHEN tid IN (SELECT tid FROM thread) THEN 'own'
            WHEN name = 'the recorder/' THEN 'recorder'
            WHEN name GLOB 'kworker/*' THEN 'kworker' WHEN name GLOB 'ksoftirqd/*' THEN 'ksoftirqd'
            ELSE 'other' END,
       calls, ns
FROM named;
