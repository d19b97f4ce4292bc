-- SPDX-License-Identifier: MIT
-- Private: the sampled events, the one that tells the most first (tables.sql): how long loads took, then how long anything
-- took, then what has an address.

INSERT INTO cache_event
WITH summed AS (
  SELECT event_no, sum(with_weight) > 0 AS has_weight, sum(CASE WHEN place IS NOT NULL THEN samples END) > 0 AS has_address,
         2 * sum(writes) > sum(samples) AS is_of_stores, max(quality) AS quality,
         sum(samples) AS samples, CAST(total(events) AS INTEGER) AS events, total(cost) AS cost
  FROM cache_place
  GROUP BY event_no
)
SELECT event_no, event.name,
       row_number() OVER (ORDER BY has_weight DESC, coalesce(has_address, 0) DESC, is_of_stores, summed.quality DESC,
                                   summed.samples DESC, event_no),
       has_weight, coalesce(has_address, 0), samples, events, cost,
       CASE WHEN NOT has_weight THEN 'the events of ' || event.name || CASE WHEN event.quality = 0 AND note <> '' THEN ' (' || chosen || ')' ELSE '' END
            WHEN is_of_stores THEN 'the store latency' ELSE 'the load latency' END
FROM summed JOIN cache_event_no USING (event_no) JOIN event USING (event_id);
