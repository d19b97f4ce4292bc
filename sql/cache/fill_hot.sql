-- SPDX-License-Identifier: MIT
-- Private: the sums by event, where and granule (tables.sql). With max() the column `code` is of the row that has it:
-- SQLite's documented bare columns.

INSERT INTO cache_hot
SELECT event_no, where_no, granule, samples, events, cost, share, granules, code
FROM (
  SELECT event_no, where_no, granule, sum(o.samples) AS samples, CAST(total(o.events) AS INTEGER) AS events,
         total(o.cost) AS cost, total(o.cost) / nullif(cache_site.cost, 0) AS share, (most_bytes + 7) / 8 AS granules,
         code, max(o.cost)
  FROM cache_offset AS o JOIN cache_site USING (event_no, where_no) JOIN cache_where USING (where_no)
  WHERE where_no >= 16
  GROUP BY event_no, where_no, granule
);
