/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PHASES_CALENDAR_H
#define MP_SAMPLER_PHASES_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

#include "store/err.h"

/*
 * Trading calendars: which phases a day has, and when, as files. INI, read by inih:
 *
 *   [calendar]
 *   name     = nyse                       ; optional, as `about`
 *   zone     = America/New_York           ; IANA; all times below are wall times there
 *   weekdays = mon-fri                    ; or mon,wed-fri; default mon-fri
 *   holidays = 2026-01-01 2026-01-19      ; days without phases; also on further, indented lines
 *   half_days = 2026-11-27 2026-12-24
 *   covers   = 2025-01-01 2027-12-31      ; optional: the days between which the two lists are whole
 *
 *   [time open]                           ; times that phases refer to
 *   at = 09:30
 *   [time close]
 *   at = 16:00
 *   half_day = 13:00                      ; on half days
 *
 *   [phase open_burst]
 *   from = open
 *   to   = open+00:05
 *   weekdays = mon-fri                    ; optional: its own
 *   half_day_from = 09:30                 ; optional, as half_day_to: on half days
 *   half_day = none                       ; not at all on half days
 *
 * A time is HH:MM[:SS[.mmm]], up to 24:00, with +Nd behind it N days later; or the name of a time or a phase
 * (its begin; NAME.start and NAME.end say which), with an offset +HH:MM[:SS[.mmm]] or -HH:MM... behind it.
 * Names may stand before what they name, but not refer to one another in a circle. Names of what ends in an
 * offset are unambiguous: a name has letters, digits and _ only. Days are told by dates of the zone.
 *
 * A phase belongs to the day on which it begins, before any +Nd of its begin: that day decides about weekday,
 * holiday and half day. One that would not end after its begin ends on the next day: `from = 17:00`,
 * `to = 16:00`. Phases last a second or longer, and may overlap.
 *
 * Offsets are counted on the wall clock. What a wall time is in UTC follows PEP 495 with fold=0, as Python's
 * zoneinfo does: of a time that comes twice when clocks go back the first; a time that is left out when
 * clocks go forward by the offset from before, so that 02:30 is 03:30 of the new time. A phase of which
 * nothing is left by that does not happen.
 *
 * Zones are those of the system (the folder TZDIR, else /usr/share/zoneinfo), read by the C library when the
 * calendar is loaded, from 1970 to 2105; one that is not there is an error, never UTC.
 */
struct mp_phase_calendar;

#define MP_PHASE_NAME_BYTES 48 /* with the NUL, as of markers */

/*
 * `name` is that of a built-in calendar (sampler/profiles/phases-NAME.ini), else a file's path. -errno with
 * one line, of what is wrong in a file with FILE:LINE. Sets TZ for a moment and calls tzset(): to be called
 * while there is no other thread.
 */
int mp_phase_calendar_load(const char *name, struct mp_phase_calendar **out, struct mp_err *err);

/* The same of a text; `name` stands in errors. */
int mp_phase_calendar_parse(
    const char *name, const char *text, struct mp_phase_calendar **out, struct mp_err *err);
void mp_phase_calendar_free(struct mp_phase_calendar *c);

/* The built-in ones by number, valid until the next call; NULL: there are only so many. */
const char *mp_phase_calendar_builtin(size_t i);

/* Phases, separated by ", ", as many as there is room for, and what else is told. Owned by the calendar; ""
 * for what the file does not say. */
struct mp_phase_calendar_about {
	const char *about, *zone;
	char phases[256];
	int64_t covers_from_ns, covers_to_ns; /* CLOCK_REALTIME, exclusive; 0 both: not told */
};
void mp_phase_calendar_describe(const struct mp_phase_calendar *c, struct mp_phase_calendar_about *out);

/* The instant, CLOCK_REALTIME ns, at which a day begins there: "2026-03-08". -EINVAL with a text that begins
 * with `what`. */
int mp_phase_calendar_date(const struct mp_phase_calendar *c, const char *what, const char *date,
    int64_t *out_ns, struct mp_err *err);

/* An instant as its zone writes it, with the offset: "2026-03-08 09:30:00.000 -0400". */
void mp_phase_calendar_format(const struct mp_phase_calendar *c, int64_t real_ns, char *out, size_t size);

/* One time that a phase comes: [start_ns, end_ns), CLOCK_REALTIME. */
struct mp_phase_window {
	const char *phase; /* the calendar's */
	int64_t start_ns, end_ns;
};

/*
 * All that have a part in [from_ns, to_ns), by their start, of those with the same start the longest first.
 * `*out` is to be freed. -ERANGE: not between 1970 and 2105; -ENOMEM. Any thread.
 */
int mp_phase_calendar_windows(const struct mp_phase_calendar *c, int64_t from_ns, int64_t to_ns,
    struct mp_phase_window **out, size_t *n, struct mp_err *err);

#endif
