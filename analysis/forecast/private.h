/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_PRIVATE_H
#define MP_ANALYSIS_FORECAST_PRIVATE_H

#include "analysis/forecast/demand.h"
#include "analysis/forecast/passage.h"
#include "analysis/forecast/pattern.h"
#include "analysis/stats/gev.h"

/* Shared by posterior.c, which fits a demand, and demand.c, which answers of it. */

/* Parameters that are possible: half of them without a trend. */
#define MP_DRAWS_EACH 40
#define MP_DRAWS      (1 + 2 * MP_DRAWS_EACH)

/* Time is counted in lengths of the course: -1 is its start, 0 is now. */
struct mp_draw {
	double weight;
	double level;            /* of the maxima, at the mean time of the windows */
	double trend;            /* objects per length of the course */
	struct mp_gev peak;      /* of mean 0 */
	double *offset, *spread; /* by cell, in objects, and beside that of all */
};

struct mp_demand {
	const struct mp_pool_course *course;
	int64_t window_ns;
	double length_ns, mean_time;
	struct mp_pattern pattern;
	struct mp_passage passage;
	struct mp_draw draw[MP_DRAWS]; /* the first is the most probable one, and weighs nothing */
	double *cells;                 /* of all draws */
	struct mp_demand_summary summary;
};

/* What the maximum of a window was: more than `above`, and at most `most`, which differ by 1 object where it
 * was seen, and by more where gets failed. */
struct mp_observed {
	double above, most;
};

/* Sets d->draw, passage and the summary, d->pattern being made. -ENOMEM. */
int mp_posterior_make(
    struct mp_demand *d, const struct mp_pattern_point *point, const struct mp_observed *seen, size_t n);

#endif
