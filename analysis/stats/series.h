/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_SERIES_H
#define MP_ANALYSIS_STATS_SERIES_H

#include <stddef.h>

/*
 * Ratios of what is counted unit of time by unit of time, and whether two of them differ: calls by second,
 * calls beyond a duration by calls, bytes by second. What comes in one unit is not independent, and neither
 * are neighbouring units: slow calls come in bursts, a machine is busy for a while. So a unit, not a call, is
 * one observation, and runs of units are looked at together. Pure; any thread.
 */

/* Below so many units the variance is not known well enough to say anything. */
#define MP_SERIES_LEAST 12

struct mp_series {
	const double *num, *den; /* by unit, none negative */
	size_t n;
	double squares; /* sum of the squares of what `num` is the sum of: of single calls, their number */
};

struct mp_ratio {
	double num, den; /* sums */
	double ratio;    /* num / den; NAN: den is 0 */
	double variance; /* of `ratio` */
	double df;       /* so many degrees of freedom the variance has */
};

/*
 * The variance of the residuals num - ratio * den is the largest of that of means of overlapping batches of 1
 * to n / 8 units (Meketon and Schmeiser, Winter Simulation Conference 1984), since too short batches take
 * what goes on for a while for chance, and which length is enough is not known; and that of an
 * autoregression, of which the phi that was seen is corrected for its bias (Kendall, Biometrika 41, 1954)
 * and, of few units, drawn towards 0.5, for chance may hide what goes on for a while. Degrees of freedom are
 * those of the batches, 1.5 (n / length - 1), 3 to n - 1. A test at 10^-3 of two series of 60 units errs with
 * 0.0001 where they are independent, 0.0013 where phi is 0.6, 0.002 at 0.7, 0.02 at 0.9; at 10^-4 with 0.0001
 * at 0.6.
 */
void mp_series_ratio(const struct mp_series *s, struct mp_ratio *out);

struct mp_contrast {
	struct mp_ratio a, b;
	double error; /* standard error of b.ratio - a.ratio if the two are the same */
	double widen; /* `error` by the root of the sum of both variances */
	double df;
	double log_p; /* that the two are the same, two-sided; 0: nothing can be said */
};

/*
 * Welch's test (degrees of freedom of Welch and Satterthwaite), with what makes it too bold taken away: the
 * error is not less than that of a variance common to both, for a short series that met no burst seems
 * steadier than it is; and neither variance is less than that of single calls that come independently
 * (Poisson), of which a series without any is taken to have expected its part. 0 for log_p with fewer than
 * MP_SERIES_LEAST units on a side.
 */
void mp_series_contrast(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out);

/*
 * The same of series of which unit i of the one belongs to unit i of the other, for both follow one course:
 * that of a trading day, which would count as chance otherwise. The variance is that of the differences of
 * the residuals, over the units that both have; not less than that of single calls.
 */
void mp_series_contrast_pairs(const struct mp_series *a, const struct mp_series *b, struct mp_contrast *out);

/* So many standard errors to either side is the interval of which mp_tail_normal() of `z` is outside. */
double mp_contrast_reach(const struct mp_contrast *c, double z);

#endif
