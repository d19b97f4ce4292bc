-- SPDX-License-Identifier: MIT
-- Private: the phase of every slot: the innermost at its middle, which is the one that began last; of those that began
-- together the one that ends first. Not part of the public views.
--
--   slot_ns, dur_ns
--   phase_no  numbers the phases from 1 on; 0: none
--   phase_id  NULL: none
--   phase     its name; '': none
--   is_mixed  a phase begins or ends inside: the program's own markers are seen a moment later

CREATE VIEW slot_phase AS
WITH ordered AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY start_ns, end_ns IS NOT NULL, end_ns DESC, phase_id) AS phase_no, phase_id, name, start_ns,
         coalesce(end_ns, 9223372036854775807) AS end_ns
  FROM phase
), within AS (
  -- Slots follow each other: none before the one that the phase begins in has its middle in it.
  SELECT slot_ns, max(phase_no) AS phase_no
  FROM ordered CROSS JOIN slot
    ON slot_ns >= coalesce((SELECT max(s.slot_ns) FROM slot AS s WHERE s.slot_ns <= start_ns), start_ns) AND slot_ns < end_ns
  WHERE slot_ns + dur_ns / 2 >= start_ns AND slot_ns + dur_ns / 2 < end_ns
  GROUP BY slot_ns
), bound AS (
  SELECT start_ns AS at_ns FROM phase UNION SELECT end_ns FROM phase WHERE end_ns IS NOT NULL
), mixed AS MATERIALIZED (
  SELECT DISTINCT slot.slot_ns
  FROM bound JOIN slot ON slot.slot_ns = (SELECT max(s.slot_ns) FROM slot AS s WHERE s.slot_ns < at_ns)
  WHERE slot.slot_ns + dur_ns > at_ns
)
SELECT slot.slot_ns, dur_ns, coalesce(phase_no, 0) AS phase_no, phase_id, coalesce(name, '') AS phase,
       slot.slot_ns IN (SELECT slot_ns FROM mixed) AS is_mixed
FROM slot LEFT JOIN within USING (slot_ns) LEFT JOIN ordered USING (phase_no);
