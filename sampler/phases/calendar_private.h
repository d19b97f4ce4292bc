/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PHASES_CALENDAR_PRIVATE_H
#define MP_SAMPLER_PHASES_CALENDAR_PRIVATE_H

#include <stdbool.h>

#include "sampler/phases/calendar.h"
#include "sampler/phases/zone.h"

/* What the files of the calendar share: calendar_file.c makes it of a text, calendar.c windows of it. */

#define DAY_MS 86400000LL
#define DAY_S  86400LL

#define OFFSET_DAYS_MAX 6 /* how far a time may be from its day; so long is a phase at most */

enum edge { EDGE_START, EDGE_END };

/* A time as it is written. */
struct moment {
	int line; /* 0: not told */
	char name[MP_PHASE_NAME_BYTES +
		  8]; /* what it refers to, with .start or .end as written; "": nothing */
	int entry;    /* which that is, once known */
	enum edge edge;
	int64_t ms; /* of the day, or the offset */
};

enum key { FROM, TO, HALF_FROM, HALF_TO, MOMENTS }; /* of a [time], FROM is `at`, HALF_FROM `half_day` */

struct entry {
	char name[MP_PHASE_NAME_BYTES];
	bool is_phase, not_on_half_days;
	int line;
	unsigned int weekdays; /* 1 << 0 is Sunday; 0: those of the calendar */
	struct moment moments[MOMENTS];
	int64_t ms[2][2]; /* what comes of them, from the begin of the day: [is half day][enum edge] */
};

/* Days since 1970. */
struct days {
	int32_t *day;
	size_t n;
};

struct mp_phase_calendar {
	char *about;
	char zone_name[80];
	struct mp_zone *zone;
	unsigned int weekdays;
	struct days holidays, half_days;
	int32_t covers_from, covers_to; /* the last day; 0 both: not told */
	struct entry *entries;
	size_t n;
};

/* "2026-03-08", with nothing behind it, as days since 1970. Days that a month does not have are none. */
bool calendar_date(const char *text, int32_t *out);

#endif
