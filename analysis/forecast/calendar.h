/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_CALENDAR_H
#define MP_ANALYSIS_FORECAST_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/forecast/course.h"

/*
 * Which phase is when, from a course's table and beyond it: an occurrence of a phase is expected as long
 * after the last one as occurrences were apart so far, and as long as they were (medians). What would overlap
 * is cut short by the next that starts.
 */
struct mp_calendar_phase {
	int id;
	size_t occurrences;
	int64_t last_ns;   /* start of the last one that is told */
	int64_t length_ns; /* 0: never seen to end */
	int64_t period_ns; /* 0: occurred only once */
};

struct mp_calendar {
	const struct mp_pool_course *course;
	struct mp_calendar_phase *phase; /* each phase once, in the order of their first occurrence */
	size_t phases;
};

/* The course has to stay. -ENOMEM. */
int mp_calendar_make(const struct mp_pool_course *c, struct mp_calendar *out);
void mp_calendar_clear(struct mp_calendar *cal);

/* The occurrence that a time is in; between two, or without any, what is between, with an id of -1. `index`,
 * or NULL, becomes that in cal->phase, or -1. Ends may be INT64_MAX and starts INT64_MIN: as far as is known.
 */
struct mp_pool_phase mp_calendar_at(const struct mp_calendar *cal, int64_t t_ns, int *index);

/* The first occurrence of a phase, by its index, that ends behind t_ns, told or expected; of one that is on
 * at t_ns, all of it. Not cut short by others. false: none is in sight. */
bool mp_calendar_next(const struct mp_calendar *cal, size_t index, int64_t t_ns, struct mp_pool_phase *out);

#endif
