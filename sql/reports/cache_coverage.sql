-- SPDX-License-Identifier: MIT
-- What report cache adds to its coverage object (object_coverage.sql). One row.
--
-- Parameters: :from_ns :lost_ns (as in object_coverage.sql)
-- Columns:
--   samples            rows, of the time and thread asked for
--   addr_samples       of these, with the address of data
--   unmatched_samples  of those: in no known object, pool, stack, data of a module or file
--   unmatched_share    unmatched / addr; NULL: no sample has an address
--   older_samples      of the unmatched: in allocations from before the recording
--   samples_lost       not in the figures: dropped for want of room, or kept back to hold the budget
--   events             JSON, of each event: event, chosen, quality (the rung), means (the rung in words), samples,
--                      addr_samples, weight_samples (that tell a latency), unmatched_samples, unmatched_share, events,
--                      running_share (below 1: multiplexed, and scaled), note
--
-- Caveats: lost are all rows of `loss` whose source speaks of samples, or is a recording of perf's.

SELECT (SELECT CAST(total(samples) AS INTEGER) FROM temp.cache_coverage)           AS samples,
       (SELECT CAST(total(addr_samples) AS INTEGER) FROM temp.cache_coverage)      AS addr_samples,
       (SELECT CAST(total(unmatched_samples) AS INTEGER) FROM temp.cache_coverage) AS unmatched_samples,
       (SELECT total(unmatched_samples) / nullif(total(addr_samples), 0) FROM temp.cache_coverage) AS unmatched_share,
       (SELECT CAST(total(older_samples) AS INTEGER) FROM temp.cache_coverage)     AS older_samples,
       (SELECT CAST(total(lost) AS INTEGER) FROM loss
        WHERE (source LIKE '%sample%' OR source LIKE 'perf record:%')
          AND t_ns >= :from_ns AND t_ns < :lost_ns) AS samples_lost,
       (SELECT json_group_array(json_object(
                 'event', event, 'chosen', chosen, 'quality', quality, 'means', means, 'samples', samples,
                 'addr_samples', addr_samples, 'weight_samples', weight_samples, 'unmatched_samples', unmatched_samples,
                 'unmatched_share', unmatched_share, 'events', events, 'running_share', running_share, 'note', note))
        FROM temp.cache_coverage) AS events;
