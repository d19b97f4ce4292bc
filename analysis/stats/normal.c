/* SPDX-License-Identifier: MIT */
#include "analysis/stats/normal.h"

#include <math.h>
#include <stdbool.h>

double mp_normal_below(double z)
{
	return erfc(-z / M_SQRT2) / 2;
}

double mp_normal_above(double z)
{
	return erfc(z / M_SQRT2) / 2;
}

double mp_normal_with_above(double p)
{
	bool is_lower = p > 0.5;
	double tail = is_lower ? 1 - p : p;
	/* Abramowitz and Stegun, 26.2.22, off by 0.003 at most; then Newton's steps on the logarithm of the
	 * tail, which is nearly a parabola. */
	double t = sqrt(-2 * log(tail));
	double z = t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t);

	for (int i = 0; i < 3; i++) {
		double above = mp_normal_above(z);
		double density = exp(-z * z / 2) / sqrt(2 * M_PI);

		z += (log(above) - log(tail)) * above / density;
	}
	return is_lower ? -z : z;
}
