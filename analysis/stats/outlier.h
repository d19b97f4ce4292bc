/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_OUTLIER_H
#define MP_ANALYSIS_STATS_OUTLIER_H

#include <stddef.h>

/*
 * How far each of few values lies from the others. Pure; any thread.
 *
 * The others of a value, m of them, are told by their median, and their spread by the standard deviation of
 * those that are left when m / 5, rounded down, have been left out: those farthest from the median, so that
 * wild ones do not hide each other. z is the distance from that median in spreads. The factor that makes the
 * spread whole, 1.15 + 3.4 times the share that was left out, and the degrees of freedom, those left less 1,
 * are such that z of normal values exceeds a quantile of Student's t between 10^-2 and 10^-5 no more often
 * than t does: found by simulation for 4 to 40 others (tests/unit/outlier.c repeats some of it). Degrees of
 * freedom end at MP_OUTLIER_FREE: what differs from day to day has longer tails than a normal variable.
 */
struct mp_outlier {
	double expected; /* the median of the others */
	double z;
	double log_p; /* of a z as far from 0, on either side; 0: nothing can be said */
};

#define MP_OUTLIER_LEAST 5 /* values; of fewer nothing is said */
#define MP_OUTLIER_FREE  10

/* None of v may be NAN. A spread is not taken to be less than `least`, one for each value, more than 0. 0 or
 * -ENOMEM. */
int mp_outliers_of(const double *v, const double *least, size_t n, struct mp_outlier *out);

#endif
