/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_CORRELATION_H
#define MP_ANALYSIS_STATS_CORRELATION_H

#include <stddef.h>

/*
 * Whether two series go together, by order alone, and by how much one rises with the other. Values may be
 * NAN: not known then. Pure; any thread.
 */

/* Replaces values by their ranks, 1 to n, ties by their mean rank; NAN stays. 0 or -ENOMEM. */
int mp_rank_of(const double *v, size_t n, double *rank);

/* Autocorrelations of a series at lags 1 to `lags` into r[0..lags). Where there is too little to say: 0. */
void mp_autocorrelation(const double *v, size_t n, size_t lags, double *r);

struct mp_correlation {
	size_t n;      /* pairs of which both are known */
	double n_free; /* as many independent pairs would say as much */
	double
	    rho; /* Spearman's, -1 to 1; NAN: fewer than MP_CORRELATION_LEAST pairs, or one does not vary */
	double log_p; /* that they have nothing to do with each other, two-sided */
};

#define MP_CORRELATION_LEAST 8

/*
 * Of two series of ranks, y `lag` places later than x. What comes in a row is alike by itself: the number of
 * independent pairs is n / (1 + 2 sum r_x(j) r_y(j)) (Bartlett, Journal of the Royal Statistical Society
 * 98(3), 1935; Pyper and Peterman, Canadian Journal of Fisheries and Aquatic Sciences 55(9), 1998), between 3
 * and n. The probability is Fisher's, with the variance 1.06 / (n - 3) of rank correlations (Fieller, Hartley
 * and Pearson, Biometrika 44, 1957). x_auto and y_auto: as mp_autocorrelation() has them.
 */
void mp_correlate(const double *x, const double *y, size_t n, size_t lag, const double *x_auto,
    const double *y_auto, size_t lags, struct mp_correlation *out);

/* Holm's correction for many tests (Scandinavian Journal of Statistics 6(2), 1979): replaces each p by the
 * one that may be compared with the level of all of them together. 0 or -ENOMEM. */
int mp_holm(double *log_p, size_t n);

/* Sorts values, none NAN, the smallest first. */
void mp_sort(double *v, size_t n);

/* The slopes of y by x of all pairs that differ in x, sorted; none may be NAN. `slope` is the caller's to
 * free(). 0 or -ENOMEM. */
int mp_slopes_between(const double *x, const double *y, size_t n, double **slope, size_t *slopes);

struct mp_slope {
	size_t n;
	double slope;  /* of y by x; NAN: fewer than MP_CORRELATION_LEAST pairs, or x does not vary */
	double lo, hi; /* between these with 95 % confidence */
	double intercept;
};

/*
 * The median of the slopes of all pairs, which a quarter of wild values does not move (Theil 1950; Sen,
 * Journal of the American Statistical Association 63, 1968), with Sen's interval, by Kendall's variance;
 * `n_free` below the number of pairs widens it as its root. Of more than 1000 pairs, an even part. 0 or
 * -ENOMEM.
 */
int mp_slope_of(const double *x, const double *y, size_t n, double n_free, struct mp_slope *out);

#endif
