-- SPDX-License-Identifier: MIT
-- What the report comes to, in words: of the event that tells the most.
--
-- Columns: one, the sentence.
--   2 sites, 3.1 % of the lines, make 61.0 % of the load latency: OrderBook::insert (42.1 %), Position::find (18.9 %)
--
-- At most three sites are named, none with less than 5 %, and no more of them than it takes to have 60 %.
-- Reads temporary tables of sql/cache/tables.sql.

WITH first AS (
  SELECT * FROM temp.cache_event ORDER BY place LIMIT 1
), ranked AS (
  SELECT site, s.share, s.samples, s.walk_share, lines,
         row_number() OVER (ORDER BY s.cost DESC, site) AS nth,
         coalesce(sum(s.share) OVER (ORDER BY s.cost DESC, site ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
           AS before
  FROM first JOIN temp.cache_site AS s USING (event_no) JOIN temp.cache_where USING (where_no)
       LEFT JOIN temp.cache_distinct AS d ON d.event_no = s.event_no AND d.where_no = s.where_no AND d.level = -1
  WHERE cache_where.place = 'object'
), named AS (
  SELECT * FROM ranked WHERE nth <= 3 AND share >= 0.05 AND before < 0.6 ORDER BY nth
), whole AS (
  SELECT count(*) AS sites, total(share) AS share, total(lines) AS lines, group_concat(printf('%s (%s)', site, mp_share(share)), ', ') AS names
  FROM named
), touched AS (
  SELECT total(lines) AS lines FROM first JOIN temp.cache_distinct USING (event_no) WHERE level = -1
), at_level AS (
  SELECT name, total(c.cost) / nullif(first.cost, 0) AS share
  FROM first JOIN temp.cache_cell AS c USING (event_no) JOIN temp.cache_level USING (level)
  WHERE level > 0 GROUP BY level ORDER BY share DESC, level
), walked AS (
  SELECT total(walk_share) AS share FROM first JOIN temp.cache_site USING (event_no)
), matched AS (
  SELECT CAST(total(addr_samples) AS INTEGER) AS addr, CAST(total(unmatched_samples) AS INTEGER) AS unmatched,
         total(unmatched_samples) / nullif(total(addr_samples), 0) AS share,
         CAST(total(older_samples) AS INTEGER) AS older
  FROM temp.cache_coverage
), shared AS (
  SELECT sum(kind <> 'true') AS falsely, sum(kind = 'true') AS truly,
         (SELECT site FROM temp.cache_line JOIN temp.cache_where USING (where_no) WHERE kind <> 'true'
          ORDER BY cost DESC, samples DESC, line LIMIT 1) AS site
  FROM temp.cache_line
)
SELECT sentence FROM (
  SELECT 1 AS part,
         CASE WHEN EXISTS (SELECT 1 FROM sample)
              THEN 'no samples in this part of the recording: leave out --from, --to, --phase or --thread'
              ELSE 'no samples: record with -e mem-loads, or import a perf.data file; mpsample doctor tells what this '
                   || 'machine can sample' END AS sentence
  WHERE NOT EXISTS (SELECT 1 FROM first)
  UNION ALL
  SELECT 2, CASE WHEN sites = 1 THEN '1 site' ELSE printf('%d sites', sites) END
            || CASE WHEN touched.lines > 0 THEN printf(', %s of the lines,', mp_share(whole.lines / touched.lines)) ELSE '' END
            || CASE WHEN sites = 1 THEN ' makes ' ELSE ' make ' END || mp_share(whole.share) || ' of ' || unit || ': ' || names
  FROM first, whole, touched WHERE sites > 0
  UNION ALL
  SELECT 2, printf('no site stands out: of %s, %s has the most, %s', unit, site, mp_share(ranked.share))
  FROM first, ranked, whole WHERE sites = 0 AND nth = 1
  UNION ALL
  SELECT 2, printf('no sample with an address fell into an allocation that was seen: the tables tell places, code and levels')
  FROM first WHERE has_address AND NOT EXISTS (SELECT 1 FROM ranked)
  UNION ALL
  SELECT 3, 'which data missed is not known: no sample has an address ('
            || (SELECT group_concat(event || ': ' || quality, ', ') FROM temp.cache_coverage WHERE samples > 0)
            || '); -e mem-loads has it, where mpsample doctor shows a rung with addresses'
  FROM first WHERE NOT has_address
  UNION ALL
  SELECT 4, 'of ' || unit || ', by level: ' || (SELECT group_concat(name || ' ' || mp_share(share), ', ')
                                    FROM (SELECT * FROM at_level WHERE share >= 0.05 LIMIT 4))
            || CASE WHEN walked.share >= 0.01 THEN '; ' || mp_share(walked.share) || ' with a walk of the page tables' ELSE '' END
  FROM first, walked WHERE EXISTS (SELECT 1 FROM at_level WHERE share >= 0.05)
  UNION ALL
  SELECT 5, printf('%d line%s of 64 bytes %s shared falsely between threads%s%s', falsely, CASE falsely WHEN 1 THEN '' ELSE 's' END,
                   CASE falsely WHEN 1 THEN 'is' ELSE 'are' END, CASE falsely WHEN 1 THEN ': ' ELSE ', most at ' END, site)
  FROM shared WHERE falsely > 0
  UNION ALL
  SELECT 6, printf('%d of %d samples with an address (%s) are in nothing that is known', unmatched, addr, mp_share(share))
            || CASE WHEN older > 0 THEN printf(', %d of them where nothing was allocated since the recording began: older allocations, or a heap of a runtime''s own', older) ELSE '' END
  FROM matched WHERE share >= 0.05
  UNION ALL
  SELECT 7, printf('%d samples are of lines beyond the first 1,048,576: there are more different lines than told', lines_left_out)
  FROM temp.cache_limit WHERE lines_left_out > 0
)
ORDER BY part;
