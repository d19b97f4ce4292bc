/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_FORECAST_DEMAND_H
#define MP_ANALYSIS_FORECAST_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/forecast/course.h"

/*
 * The demand for a pool's objects, as a model of the maxima of windows:
 *
 *   max(t) = level + trend t + pattern(phase, position in it) + spread(phase) peak(t)
 *
 * - The pattern is the mean of the windows of a phase, by eighths of the phase if it occurred more than once,
 *   drawn towards the overall mean where few windows tell it.
 * - Peaks follow a generalized extreme-value distribution (Coles, An Introduction to Statistical Modeling of
 *   Extreme Values, 2001, chapters 3 and 6), all phases the same one.
 * - Windows that follow on each other are alike: their normal scores have a correlation that falls off
 *   exponentially (a normal copula, AR(1)), so that peaks come in clusters, and the nearest future is like
 * now.
 *
 * Level, trend, scale and shape maximize the likelihood, times a prior of the shape (mp_gev_log_prior()),
 * beginning with probability-weighted moments. Of a window in which gets failed is known that it wanted more
 * than was in use, and, as far beyond as mp_pool_window.wanted is, no more than 4 times as much: its
 * likelihood is the probability of that interval. As neighbours are alike, windows count less than
 * independent ones, by the sum of their correlations as to their mean, of the squares as to their spread.
 * That there is a trend at all is weighed against there being none by Schwarz's criterion (Annals of
 * Statistics 6(2), 1978).
 *
 * What the recording leaves open is kept: the model is a set of parameters with weights (importance sampling
 * of the posterior around its maximum), and all functions below answer for all of them.
 */
struct mp_demand;

/* Below, nothing is fitted. Below MP_DEMAND_ENOUGH independent windows a forecast is rough. */
#define MP_DEMAND_LEAST  8
#define MP_DEMAND_ENOUGH 30

/*
 * Fits a model for questions about times from an eighth of `horizon_ns` on: that, or an eighth of the
 * shortest phase that recurs if that is less, is the length of a window, as far as there are 64 to 512 of
 * them. -EINVAL (a course that fails mp_pool_course_check(), horizon_ns < 1), -ENODATA if it has fewer than
 * MP_DEMAND_LEAST windows, which are no shorter than its longest slot, or the pool was never used, -ENOMEM.
 * The course has to stay as long as the model does.
 */
int mp_demand_fit(const struct mp_pool_course *c, int64_t horizon_ns, struct mp_demand **out);
void mp_demand_free(struct mp_demand *d);

/* Objects; seconds. All finite. */
struct mp_demand_summary {
	double window_s;
	double windows, independent; /* how many, and for how many independent ones they count */
	double censored;             /* windows in which gets failed */
	double level;                /* mean of the maxima now, without what its phase adds */
	double trend, trend_error;   /* per second, mean and standard deviation of what is possible */
	double p_trend;              /* that there is one */
	double scale, shape;         /* of the peaks, most probable; shape > 0: no upper end */
	double burstiness;  /* standard deviation of the maxima around level, trend and pattern / level */
	double correlation; /* of neighbouring windows */
};

void mp_demand_summarize(const struct mp_demand *d, struct mp_demand_summary *out);

/*
 * The probability that in use reaches `objects` between two times, which may be 1024 pieces of phases apart:
 * what is farther does not count. `NOW`: of the time behind the course, given how it ended: from_ns >= to_ns
 * of the course. `ANEW`: of another session like the one watched, which knows nothing of it; from_ns is the
 * course's.
 */
enum mp_demand_view { MP_DEMAND_NOW, MP_DEMAND_ANEW };

double mp_demand_reach(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double objects);

/* The smallest number of objects, to 0.05 %, that is reached with a probability of at most p: all parameters
 * taken together, the most probable ones alone, and so that this many of the parameters (`confidence`) have p
 * there or below. */
double mp_demand_quantile(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double p);
double mp_demand_quantile_best(
    const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns, int64_t to_ns, double p);
double mp_demand_quantile_upper(const struct mp_demand *d, enum mp_demand_view view, int64_t from_ns,
    int64_t to_ns, double p, double confidence);

/* When `objects` are first reached, as quantiles p[0..n), ascending: ns from now; INT64_MAX where that is not
 * within `sight_ns`. */
void mp_demand_times(
    const struct mp_demand *d, int64_t sight_ns, double objects, const double *p, int n, int64_t *out);

#endif
