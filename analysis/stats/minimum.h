/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_MINIMUM_H
#define MP_ANALYSIS_STATS_MINIMUM_H

/*
 * Minima of functions of a few variables. Pure but for what the function does; any thread.
 */
#define MP_MINIMUM_DIMENSIONS 4

/* May answer INFINITY where the point is not allowed, but not NaN. */
typedef double mp_minimum_function(const double *x, void *ctx);

/*
 * Goes downhill from x[0..n), which is replaced by the best point, by the simplex of Nelder and Mead (The
 * Computer Journal 7(4), 1965), which needs no derivatives. step[] is how far the first points lie apart; the
 * end is where all of the simplex is within `tolerance` of its best value, or after `most` calls. Answers the
 * value there.
 */
double mp_minimum(
    mp_minimum_function *f, void *ctx, double *x, const double *step, int n, double tolerance, int most);

/*
 * The covariance that belongs to a minimum of a negative log-likelihood: the inverse of the second
 * derivatives, by differences of `step`. As a root of it: root times a vector of independent normal variables
 * has that covariance. Where the function is no bowl, which a minimum at the edge of what is allowed need not
 * be, variables are taken one by one. Never more than `most` in any one variable.
 */
void mp_minimum_covariance(mp_minimum_function *f, void *ctx, const double *x, const double *step, int n,
    const double *most, double root[MP_MINIMUM_DIMENSIONS][MP_MINIMUM_DIMENSIONS]);

#endif
