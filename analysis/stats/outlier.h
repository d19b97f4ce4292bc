/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_OUTLIER_H
#define MP_ANALYSIS_STATS_OUTLIER_H

#include <stddef.h>

/*
 * Which of few values lie beyond the others. Pure; any thread.
 *
 * One after the other the value that is farthest from the median of those that are left is taken out, n / 5
 * of n at most, so that wild ones do not hide each other. The j-th that was taken out is held against the r
 * that are left: its distance from their mean, by their standard deviation times sqrt(1 + 1/r), is of
 * Student's distribution with r - 1 degrees of freedom if it is one of them and all are normal. With it are
 * judged those that were taken out before, which are farther still (as Rosner, Technometrics 25(2), 1983; the
 * largest j that is significant counts). Since the data chose which to take out, the probability is
 * multiplied by the ways to choose the others that were, C(n - 1, j - 1), and by the number of j that are
 * tried: so of n values that are all ordinary one has a log_p below log(a / n) with a probability of `a` at
 * most. Degrees of freedom end at MP_OUTLIER_FREE: what differs from day to day has longer tails than a
 * normal variable.
 */
struct mp_outlier {
	double expected; /* the median of the ordinary ones: those that it is held against */
	double z;        /* how many of their standard deviations it is off their mean */
	double log_p;    /* as above; 0 of those that were not taken out */
};

#define MP_OUTLIER_LEAST 5 /* values; of fewer nothing is said */
#define MP_OUTLIER_FREE  10

/* None of v may be NAN. A standard deviation is not taken to be less than `least`, one for each value, more
 * than 0. 0 or -ENOMEM. */
int mp_outliers_of(const double *v, const double *least, size_t n, struct mp_outlier *out);

#endif
