/* SPDX-License-Identifier: MIT */
#include "analysis/stats/gev.h"

#include <errno.h>
#include <math.h>

/* Nearer to 0 than this a shape is 0: what the formulas divide by it would be noise. */
#define NO_SHAPE 1e-7

#define EULER 0.57721566490153286

double mp_gev_reduce(const struct mp_gev *g, double x)
{
	double w = (x - g->location) / g->scale;

	if (fabs(g->shape) < NO_SHAPE || isinf(w))
		return w;
	if (1 + g->shape * w <= 0)
		return g->shape > 0 ? -INFINITY : INFINITY;
	return log1p(g->shape * w) / g->shape;
}

double mp_gev_value(const struct mp_gev *g, double reduced)
{
	if (fabs(g->shape) < NO_SHAPE)
		return g->location + g->scale * reduced;
	return g->location + g->scale * expm1(g->shape * reduced) / g->shape;
}

double mp_gev_log_density(const struct mp_gev *g, double x)
{
	double y = mp_gev_reduce(g, x);

	return isinf(y) ? -INFINITY : -log(g->scale) - (1 + g->shape) * y - exp(-y);
}

double mp_gev_log_between(const struct mp_gev *g, double lo, double hi)
{
	double beyond_lo = exp(-mp_gev_reduce(g, lo)), beyond_hi = exp(-mp_gev_reduce(g, hi));

	if (!(beyond_lo > beyond_hi))
		return -INFINITY;
	return log(-expm1(beyond_hi - beyond_lo)) - beyond_hi;
}

double mp_gev_mean(const struct mp_gev *g)
{
	if (g->shape >= 1)
		return INFINITY;
	if (fabs(g->shape) < NO_SHAPE)
		return g->location + g->scale * EULER;
	return g->location + g->scale * (tgamma(1 - g->shape) - 1) / g->shape;
}

double mp_gev_variance(const struct mp_gev *g)
{
	if (g->shape >= 0.5)
		return INFINITY;
	/* Of a small shape, the difference of gammas below is lost in rounding. */
	if (fabs(g->shape) < 1e-5)
		return g->scale * g->scale * M_PI * M_PI / 6;
	double first = tgamma(1 - g->shape), second = tgamma(1 - 2 * g->shape);
	return g->scale * g->scale * (second - first * first) / (g->shape * g->shape);
}

int mp_gev_by_moments(const double *x, size_t n, struct mp_gev *out)
{
	double b0 = 0, b1 = 0, b2 = 0, count = (double)n;

	if (n < 3 || !(x[n - 1] > x[0]))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		double below = (double)i;

		b0 += x[i] / count;
		b1 += x[i] * below / (count - 1) / count;
		b2 += x[i] * below * (below - 1) / ((count - 1) * (count - 2)) / count;
	}
	/* The ratio tells the shape; the polynomial is theirs, good to 0.0009 from -1/2 to 1/2. */
	double ratio = (2 * b1 - b0) / (3 * b2 - b0) - log(2) / log(3);
	double k = fmax(-0.9, fmin(7.8590 * ratio + 2.9554 * ratio * ratio, 5));

	if (fabs(k) < 1e-5) {
		out->shape = 0;
		out->scale = (2 * b1 - b0) / log(2);
		out->location = b0 - EULER * out->scale;
		return 0;
	}
	double gamma = tgamma(1 + k);
	out->shape = -k;
	out->scale = (2 * b1 - b0) * k / (gamma * (1 - exp2(-k)));
	out->location = b0 + out->scale * (gamma - 1) / k;
	return 0;
}

double mp_gev_log_prior(double shape)
{
	/* Beta(6, 9) of 1/2 - shape. */
	if (!(fabs(shape) < 0.5))
		return -INFINITY;
	return 7 * log(0.5 - shape) + 7 * log(0.5 + shape) - (lgamma(8) + lgamma(8) - lgamma(16));
}
