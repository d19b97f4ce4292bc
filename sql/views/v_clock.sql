-- SPDX-License-Identifier: MIT
-- The session clock against wall time: one row a second.
--
--   mono_ns  session clock: CLOCK_MONOTONIC, the clock of every other _ns time
--   real_ns  CLOCK_REALTIME at that moment, ns since 1970
--
-- Example: SELECT datetime(min(real_ns) / 1000000000, 'unixepoch') FROM v_clock

CREATE VIEW v_clock AS
SELECT mono_ns, real_ns FROM clock;
