/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_BACKTEST_H
#define MP_ANALYSIS_FORECAST_BACKTEST_H

#include <stdint.h>

#include "analysis/forecast/course.h"

/*
 * How good such forecasts would have been: made at several times of the recording from what was known then,
 * and compared with what followed within the horizon. What is forecast is the maximum, and whether it would
 * exceed the highest so far and a tenth below and above: capacities at which the answer was open. Windows of
 * failures are left out: nobody knows what would have followed.
 *
 * The same questions are answered by two rules that are simpler: the straight line (least squares of in use,
 * dry if the line crosses), and the share of all these questions that came true. Brier scores are mean
 * squared errors of probabilities, 0 to 1, less is better (Brier, Monthly Weather Review 78(1), 1950).
 */
struct mp_backtest {
	int origins; /* times from which was forecast; 0: the recording is too short, and all below NAN */
	double brier, brier_line, brier_share;
	double error;   /* median of |forecast median - maximum| / maximum */
	double bias;    /* median of (forecast median - maximum) / maximum: below 0, too low */
	double covered; /* share of maxima within the forecast's p10 to p90: 0.8 if these are right */
};

/* Takes as long as MP_BACKTEST_ORIGINS forecasts. Errors as mp_forecast_make(). */
#define MP_BACKTEST_ORIGINS 8
int mp_backtest_make(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_backtest *out);

/* The straight-line rule, for comparison: how high the line through what was in use at the end of each second
 * (of each MP_POOL_WINDOWS'th part, of a longer course) comes from to_ns to horizon_ns later. NAN of a course
 * that fails mp_pool_course_check(), or is shorter than a second. */
double mp_backtest_line(const struct mp_pool_course *c, int64_t horizon_ns);

#endif
