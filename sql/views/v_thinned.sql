-- SPDX-License-Identifier: MIT
-- Rows that gave way to `record --max-size`. They are not lost: what stayed stands for them.
--
--   name  call sample    drawn calls: the weights of those that stayed are as much larger
--         call outlier   the fastest of the outliers, which became samples: likewise
--         sample         of perf events: their periods are as much larger
--         kernel_event   each had the same chance to stay, wherever in the recording; v_counter has their number
--         span mark pool_event   likewise, and the number of those that were is what is left and this
--         slot           seconds that became a part of longer slots (v_slot); no count has changed
--         gc             likewise, but for those that took four times the mean, or more
--         gc_prediction  likewise
--         pressure       of the same slots and name between the last, the least and the greatest
--   rows  so many are not there any more, or were not let in; exact
--
-- Example: SELECT name, rows FROM v_thinned

CREATE VIEW v_thinned AS
SELECT name, rows FROM thinned;
