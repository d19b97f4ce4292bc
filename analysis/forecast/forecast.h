/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_FORECAST_H
#define MP_ANALYSIS_FORECAST_FORECAST_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/forecast/course.h"
#include "analysis/forecast/demand.h"

/*
 * Will a pool run dry, and when: the course so far is taken for a level, a trend, a pattern of the phases,
 * and peaks around these that follow an extreme-value distribution (analysis/forecast/demand.h has the model
 * and its sources); exhaustion is the first time that a peak reaches the capacity.
 *
 * The figures are predictive: they are averaged over all parameters that the recording leaves possible, and a
 * short recording leaves many, so that probabilities are nearer to one half and intervals wider than those of
 * the best fit alone.
 */
enum mp_forecast_quality {
	MP_FORECAST_NONE,  /* too little to say anything: only what was observed is told */
	MP_FORECAST_ROUGH, /* fewer than MP_DEMAND_ENOUGH independent windows, or a horizon beyond what was
			      seen */
	MP_FORECAST_GOOD,
};

/* What an exhaustion that is not in sight has as its time: further than MP_FORECAST_SIGHT times the
 * recording. */
#define MP_FORECAST_NEVER INT64_MAX
#define MP_FORECAST_SIGHT 20

/* Time from now; MP_FORECAST_NEVER from the quantile on that is not in sight. 0: it is exhausted now. */
struct mp_forecast_time {
	int64_t p10_ns, p50_ns, p90_ns;
};

struct mp_forecast_phase {
	struct mp_pool_phase next; /* its next occurrence; the rest of the current one, if now is in it */
	double p_exhaust;          /* within it */
	double max_p50, max_p90;   /* of in use, within it; as if the capacity were no limit */
};

struct mp_forecast {
	enum mp_forecast_quality quality;
	/* Of what was watched. */
	double in_use_max, in_use_last;
	int64_t in_use_max_t_ns; /* start of the slot */
	double failures;
	/* Now, and objects per second; NAN where nothing is known. `trend` is that of the parameters on
	 * average: one that may as well be chance is drawn towards 0. p_trend: how probable it is that there
	 * is one. */
	struct mp_demand_summary demand;
	/* Exhaustion within the horizon; NAN if the capacity is not known. */
	int64_t horizon_ns;
	double p_exhaust;
	double max_p10, max_p50,
	    max_p90;                     /* of in use, within the horizon; as if the capacity were no limit */
	struct mp_forecast_time exhaust; /* all MP_FORECAST_NEVER if the capacity is not known */
	struct mp_forecast_phase *phase; /* of each phase that will come, in order of their next start */
	size_t phases;
};

/*
 * Forecasts from to_ns on. Of the quality MP_FORECAST_NONE, p_exhaust is 1 if the last slot left none, else
 * NAN. A capacity that was reached before is no case of its own: what was wanted beyond it is estimated
 * (demand.h). -EINVAL (a course that fails mp_pool_course_check(), horizon_ns < 1), -ENOMEM. To be cleared.
 *
 * Takes some ms, whatever the number of slots is up to 10^6. No random numbers: the same course has the same
 * forecast.
 */
int mp_forecast_make(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_forecast *out);
void mp_forecast_clear(struct mp_forecast *f);

#endif
