-- SPDX-License-Identifier: MIT
-- What v_pool_advice has of the pools that are told of. Of the whole recording, also where a part was asked for.

INSERT INTO temp.pool_advice
SELECT a.pool_id, a.name, rule, finding, site, evidence, setting, effect, how_to_check, share
FROM v_pool_advice AS a JOIN temp.pool_line USING (pool_id);
