-- SPDX-License-Identifier: MIT
-- What the figures of each event stand on, also of events that were only counted.
--
-- Parameters: :limit (-1: all)
-- Columns:
--   event
--   chosen             what it came to on the machine
--   quality            of its samples, as in v_sample: the rung that it stands on
--   samples            rows
--   addr_samples       of these, with the address of data
--   unmatched_share    of those: in no known object, pool, stack, data of a module or file, 0 to 1
--   events             how often it happened: counted, or the sum of the periods
--   running_share      so much of the time it had a place in the hardware: below 1 it was shared, and `events` is scaled; NULL:
--                      not told
--   means              the rung in words
--   note               what is known to be missing
--
-- Reads temporary tables of sql/cache/tables.sql.

SELECT event, chosen, quality, samples, addr_samples, unmatched_share, events, running_share, means, note
FROM temp.cache_coverage
LIMIT :limit;
