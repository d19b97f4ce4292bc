/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_GEV_H
#define MP_ANALYSIS_STATS_GEV_H

#include <stddef.h>

/*
 * The generalized extreme-value distribution, which maxima of many like things tend to:
 *
 *   P(X <= x) = exp(-(1 + shape (x - location) / scale)^(-1 / shape)),  exp(-exp(-(x - location) / scale)) at
 * 0
 *
 * (Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, 3.1; Hosking's k is -shape.) Pure;
 * any thread. `scale` is above 0.
 */
struct mp_gev {
	double location, scale, shape;
};

/* x as -log(-log P(X <= x)): from -INFINITY to INFINITY, standard Gumbel if x follows g. It tells both tails
 * without loss. And back: x of it. */
double mp_gev_reduce(const struct mp_gev *g, double x);
double mp_gev_value(const struct mp_gev *g, double reduced);

/* log of the density at x, and of the probability that lo < X <= hi; -INFINITY where there is none. */
double mp_gev_log_density(const struct mp_gev *g, double x);
double mp_gev_log_between(const struct mp_gev *g, double lo, double hi);

double mp_gev_mean(const struct mp_gev *g);     /* INFINITY for a shape of 1 and more */
double mp_gev_variance(const struct mp_gev *g); /* INFINITY for a shape of 1/2 and more */

/*
 * By probability-weighted moments: Hosking, Wallis and Wood, Technometrics 27(3), 1985. `x` is sorted.
 * -EINVAL for fewer than 3 values or such as are all the same. No likelihood is needed, and small samples do
 * it less harm.
 */
int mp_gev_by_moments(const double *x, size_t n, struct mp_gev *out);

/* log of a prior density of a shape: a beta distribution from -1/2 to 1/2, without which few values allow for
 * any shape. That of Martins and Stedinger (Water Resources Research 36(3), 2000), who made it for floods, of
 * the same standard deviation, 0.12, but of mean 0, where maxima of things that are added up are, instead of
 * 0.10. -INFINITY outside. */
double mp_gev_log_prior(double shape);

#endif
