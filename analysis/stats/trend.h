/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_TREND_H
#define MP_ANALYSIS_STATS_TREND_H

#include <stddef.h>

/*
 * Whether few values rise or fall with time, and by how much: by their order alone, so that no single wild
 * one decides. Values may be NAN: not known then. They count as independent of one another but for the trend.
 * Pure; any thread.
 */
struct mp_trend {
	size_t n;      /* pairs of which both are known */
	double tau;    /* Kendall's tau-b, -1 to 1; NAN: fewer than 3 pairs, or one does not vary */
	double log_p;  /* that y has no trend, two-sided; 0: nothing can be said */
	double slope;  /* of y by x; NAN: as tau */
	double lo, hi; /* between these with 95 % confidence; NAN: too few to tell */
	double intercept;
};

/*
 * Tau by Kendall (Biometrika 30, 1938). Where no two values are the same, of up to MP_TREND_EXACT pairs, the
 * probability is exact: of all orders of n values as many have k inversions as the recursion over n tells
 * (Kendall, Rank Correlation Methods, 5.1); else it is that of a normal variable, of a variance that is
 * corrected for ties (the same, 4.6). The slope is the median of those of all pairs that differ in x (Theil
 * 1950; Sen, Journal of the American Statistical Association 63, 1968), its interval that of the order
 * statistics of these slopes by the same distribution (Hollander and Wolfe, Nonparametric Statistical
 * Methods, 9.3). The intercept is the median of y - slope x. Takes memory for n^2 / 2 slopes. 0 or -ENOMEM.
 */
#define MP_TREND_EXACT 60

int mp_trend_of(const double *x, const double *y, size_t n, struct mp_trend *out);

#endif
