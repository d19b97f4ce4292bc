/* SPDX-License-Identifier: MIT */
#include "analysis/stats/tail.h"

#include <math.h>

/* log of mean^k e^-mean / k! */
static double log_point(double k, double mean)
{
	return k * log(mean) - mean - lgamma(k + 1);
}

/* 1 + r1 + r1 r2 + ... with r_j = numerator / denominator, moved by a step each time; at most `most` terms.
 */
static double series(double numerator, double denominator, double step_up, double step_down, double most)
{
	double sum = 1, term = 1;

	for (double j = 0; j < most && term > sum * 1e-16; j++) {
		term *= numerator / denominator;
		sum += term;
		numerator -= step_down;
		denominator += step_up;
	}
	return sum;
}

double mp_tail_poisson(double count, double mean)
{
	if (!(count >= 1) || !(mean > 0))
		return 0;
	/* Below the mean the series would be long, and nobody asks how likely that is. */
	if (count <= mean)
		return 0;
	double p = log_point(count, mean) + log(series(mean, count + 1, 1, 0, 1e5));
	return p < 0 ? p : 0;
}

double mp_tail_erlang(double shape, double x)
{
	if (!(shape >= 1) || !(x > 0) || x <= shape)
		return 0;
	double p = log_point(shape - 1, x) + log(series(shape - 1, x, 0, 1, shape - 1));
	return p < 0 ? p : 0;
}

double mp_tail_normal(double z)
{
	if (isnan(z))
		return 0;
	z = fabs(z);
	/* From 25 on erfc() nears the smallest double: its asymptotic form takes over, exact to 1e-3 of p. */
	return z < 25 ? log(erfc(z / M_SQRT2)) : -z * z / 2 - log(z * sqrt(M_PI / 2));
}

double mp_tail_bridge(double x)
{
	double sum = 1;

	if (!(x > 0.5))
		return 0;
	for (int k = 2; k <= 12; k++)
		sum += (k % 2 ? 1 : -1) * exp(-2 * x * x * (k * k - 1));
	double p = log(2 * sum) - 2 * x * x;
	return p < 0 ? p : 0;
}
