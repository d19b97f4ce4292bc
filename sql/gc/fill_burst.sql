-- SPDX-License-Identifier: MIT
-- Bursts that force early promotion: slots in which pauses come half more often than in the median slot, and half more of
-- what is given out moves to the old generation; and what is given out in them, by class. Nothing where they are fewer than
-- two, or more than half of all.
--
-- Parameters: none

INSERT INTO temp.gc_burst
WITH slots AS (
  SELECT n, pauses, promoted / nullif(allocated, 0) AS ratio FROM temp.gc_slot WHERE pauses IS NOT NULL AND allocated > 0 AND promoted IS NOT NULL
), placed AS (
  SELECT *, row_number() OVER (ORDER BY pauses) AS pauses_place, row_number() OVER (ORDER BY ratio) AS ratio_place, count(*) OVER () AS slots
  FROM slots
), usual AS (
  SELECT max(CASE WHEN pauses_place = (slots + 1) / 2 THEN pauses END) AS pauses, max(CASE WHEN ratio_place = (slots + 1) / 2 THEN ratio END) AS ratio
  FROM placed
), told AS MATERIALIZED (
  SELECT n, slots.ratio, slots.pauses >= 1.5 * usual.pauses AND slots.pauses > 0 AND slots.ratio >= 1.5 * usual.ratio AND slots.ratio > 0 AS is_burst
  FROM slots, usual
), count AS (
  SELECT total(is_burst) AS bursts, count(*) AS slots, avg(iif(is_burst, ratio, NULL)) AS ratio, avg(iif(is_burst, NULL, ratio)) AS else_ratio FROM told
), given AS (
  SELECT class_id, total(iif(is_burst, bytes, 0)) AS burst_bytes, total(iif(is_burst, 0, bytes)) AS else_bytes
  FROM gc_class JOIN slot USING (slot_ns), temp.gc_scope
  JOIN told ON told.n = (slot.slot_ns + slot.dur_ns / 2 - from_ns) / gc_scope.slot_ns
  WHERE slot.slot_ns BETWEEN from_ns AND now_ns AND dur_ns BETWEEN 1 AND 2305843009213693952
  GROUP BY class_id
)
SELECT class_id, CAST(bursts AS INTEGER), slots, burst_bytes / nullif(sum(burst_bytes) OVER (), 0), else_bytes / nullif(sum(else_bytes) OVER (), 0), ratio, else_ratio
FROM given, count
WHERE bursts >= 2 AND 2 * bursts <= slots;
