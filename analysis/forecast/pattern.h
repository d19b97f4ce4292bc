/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_PATTERN_H
#define MP_ANALYSIS_FORECAST_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/forecast/calendar.h"
#include "analysis/forecast/course.h"

/*
 * What the phases do to a pool: the windows' maxima by cells, which are the phases, or, of those that
 * occurred more than once, their eighths, and what is in no phase.
 *
 * A cell's offset is the mean of its windows beside the mean of all, with the trend taken out (least squares
 * within cells, so that a trend is not taken for a pattern, nor a pattern for a trend), times a factor from 0
 * to 1 that few or noisy windows make small: the variance between cells that is real over that which is seen
 * (a random effect; Searle, Casella and McCulloch, Variance Components, 1992, 3.4 and 7).
 */
#define MP_PATTERN_PARTS 8

struct mp_pattern_cell {
	double windows;
	double offset;       /* objects, for a trend of 0; a trend of b makes it offset - b * lag */
	double lag;          /* of the mean time of its windows behind the mean time of all */
	double error;        /* standard deviation of what offset should be */
	double spread;       /* of the windows around it, 1 being that of all */
	double spread_error; /* standard deviation of its logarithm */
};

struct mp_pattern {
	struct mp_calendar calendar;
	struct mp_pattern_cell *cell;
	size_t *first; /* cell of each of the calendar's phases, and of no phase */
	size_t cells;
};

/* A window as it is fitted: its maximum, its time, from -1 to 0, which is now, and its cell. */
struct mp_pattern_point {
	double max, time;
	size_t cell;
};

/* The cells of a course, which has to stay, without figures. -ENOMEM. */
int mp_pattern_make(const struct mp_pool_course *c, struct mp_pattern *out);
void mp_pattern_clear(struct mp_pattern *p);

/* The cell of a time, and until when it is that. */
size_t mp_pattern_cell_at(const struct mp_pattern *p, int64_t t_ns, int64_t *until_ns);

/* The slope by least squares within cells; 0 if times do not tell it. The cells' figures are lost. */
double mp_pattern_trend(struct mp_pattern *p, const struct mp_pattern_point *point, size_t n);

/* Sets the cells' figures. Windows count `weight` (above 0 to 1) of an independent one. */
void mp_pattern_fit(
    struct mp_pattern *p, const struct mp_pattern_point *point, size_t n, double trend, double weight);

#endif
