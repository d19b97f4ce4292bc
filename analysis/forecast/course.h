/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_COURSE_H
#define MP_ANALYSIS_FORECAST_COURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The course of a pool: how many of its objects were in use over time, as it was recorded. What is here, and
 * all of analysis/forecast/ that stands on it, is pure: it knows of no database, keeps nothing, and may be
 * called by any thread. Times are session clock, ends of intervals are exclusive.
 *
 * A slot in which nothing happened is not recorded: the pool stayed as the slot before left it. Slots need
 * not be of one length: old ones may have been rolled up into minutes. Counts are of objects, 0 and more.
 */
struct mp_pool_slot {
	int64_t t_ns, dur_ns; /* in the order of t_ns, without overlap */
	int64_t in_use_min, in_use_max, in_use_last;
	int64_t gets, puts;
	int64_t failures; /* gets that found the pool empty; not among `gets` */
};

/* An occurrence of a phase of the session. `id` tells which phase, any number that is not negative. */
struct mp_pool_phase {
	int64_t start_ns, end_ns; /* INT64_MAX: it has not ended, as far as is known */
	int id;
};

struct mp_pool_course {
	const struct mp_pool_slot *slot;
	size_t slots;
	int64_t from_ns, to_ns; /* watched: from the pool's birth or the recording's start, up to now */
	int64_t capacity;       /* objects; 0: not known, or the pool has none */
	/* In the order of start_ns, without overlap. May go on behind to_ns where a timetable is known; what
	 * is not told is expected as it recurred so far: mp_pool_phase_next(). */
	const struct mp_pool_phase *phase;
	size_t phases;
};

/*
 * -EINVAL unless all that is said above holds (slots in order, min <= last <= max, nothing negative or beyond
 * MP_POOL_MOST, phases in order, from_ns < to_ns). Other functions here take a course that passed: a
 * recording is not trusted to.
 */
#define MP_POOL_MOST (INT64_C(1) << 53) /* a double holds every whole number up to it */
int mp_pool_course_check(const struct mp_pool_course *c);

/*
 * Windows: the course in pieces of equal length, without gaps, of which the last one ends at to_ns. What is
 * before the first whole one is left out.
 */
struct mp_pool_window {
	double max, min; /* in use */
	double last;
	double gets, failures;
	/*
	 * How many may have been wanted at once: `max`, but where gets failed, max plus those that would be
	 * held had they succeeded. Each stays as long as an object does on average, which is the number in
	 * use divided by the rate of gets (Little's law). It is the most: one who tries again is counted each
	 * time.
	 */
	double wanted;
};

struct mp_pool_windows {
	struct mp_pool_window *window;
	size_t n;
	int64_t from_ns, window_ns;
};

/*
 * Makes windows of window_ns, in one pass over the slots; memory is that of the windows, of which there are
 * at most MP_POOL_WINDOWS: window_ns is raised until they are so few, and to the longest slot. Slots that lie
 * in two windows count in the later one, their in_use_max and min in both. What lies outside of from_ns to
 * to_ns is left out. -EINVAL (see above; or window_ns < 1), -ENODATA if not even one window fits, -ENOMEM;
 * `out` is empty then.
 */
#define MP_POOL_WINDOWS 4096
int mp_pool_windows_make(const struct mp_pool_course *c, int64_t window_ns, struct mp_pool_windows *out);
void mp_pool_windows_clear(struct mp_pool_windows *w);

#endif
