-- SPDX-License-Identifier: MIT
-- Private: what the figures of each event stand on (tables.sql).
--
-- Parameters: :slots_ns (of the first slot that :from_ns touches) :to_ns :tid

INSERT INTO cache_coverage
WITH summed AS (
  SELECT event_no, sum(samples) AS samples, sum(CASE WHEN place IS NOT NULL THEN samples ELSE 0 END) AS addr_samples,
         sum(CASE WHEN place IN (0, 6, 7) THEN samples ELSE 0 END) AS unmatched_samples,
         sum(CASE WHEN place = 6 THEN samples ELSE 0 END) AS older_samples,
         sum(with_weight) AS weight_samples, min(quality) AS least, max(quality) AS most,
         CAST(total(events) AS INTEGER) AS events
  FROM cache_place
  GROUP BY event_no
), counted AS (
  SELECT event_id, CAST(total(value) AS INTEGER) AS value, total(running_ns) / nullif(total(enabled_ns), 0) AS running
  FROM thread_counter
  WHERE slot_ns >= :slots_ns AND slot_ns < :to_ns AND (:tid IS NULL OR tid = :tid)
  GROUP BY event_id
)
SELECT event.name, event.chosen, cache_event.place,
       CASE WHEN least < most THEN low.name || ' to ' || high.name ELSE coalesce(high.name, best.name) END,
       CASE WHEN event.is_sampled THEN coalesce(high.means, best.means) ELSE 'counted, not sampled: no code, no data' END,
       coalesce(summed.samples, 0), coalesce(addr_samples, 0), coalesce(weight_samples, 0),
       coalesce(unmatched_samples, 0), coalesce(older_samples, 0),
       unmatched_samples * 1.0 / nullif(addr_samples, 0), coalesce(value, summed.events), running, event.note
FROM event
  LEFT JOIN cache_event_no USING (event_id)
  LEFT JOIN summed USING (event_no)
  LEFT JOIN cache_event USING (event_no)
  LEFT JOIN counted USING (event_id)
  LEFT JOIN cache_rung AS low ON low.quality = least
  LEFT JOIN cache_rung AS high ON high.quality = most
  LEFT JOIN cache_rung AS best ON best.quality = event.quality
ORDER BY cache_event.place IS NULL, cache_event.place, event_id;
