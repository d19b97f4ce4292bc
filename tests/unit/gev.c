/* SPDX-License-Identifier: MIT */
#include "analysis/stats/gev.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/minimum.h"
#include "analysis/stats/normal.h"
#include "tests/unit/arrivals.h"

#define VALUES 4000

static double value[VALUES];

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void draw(const struct mp_gev *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[i] = mp_gev_value(g, -log(-log(uniform())));
	qsort(value, n, sizeof(*value), by_value);
}

/* By hand, from the formula of the header. */
Test(gev, distribution)
{
	const struct mp_gev g = {10, 2, 0.2}, gumbel = {10, 2, 0}, ended = {10, 2, -0.25};

	cr_assert_float_eq(exp(-exp(-mp_gev_reduce(&g, 12))), exp(-pow(1.2, -5)), 1e-12);
	cr_assert_float_eq(mp_gev_log_density(&gumbel, 12), log(exp(-1 - exp(-1)) / 2), 1e-12);
	cr_assert_float_eq(
	    mp_gev_log_between(&g, 11, 12), log(exp(-pow(1.2, -5)) - exp(-pow(1.1, -5))), 1e-12);
	cr_assert_eq(mp_gev_reduce(&ended, 18), INFINITY);
	cr_assert_eq(mp_gev_reduce(&g, -5), -INFINITY);
	cr_assert_eq(mp_gev_log_density(&ended, 19), -INFINITY);
	cr_assert_eq(mp_gev_log_between(&ended, 19, 20), -INFINITY);
	cr_assert_float_eq(mp_gev_log_between(&g, -INFINITY, INFINITY), 0, 1e-12);
	for (double y = -3; y < 30; y += 0.5) {
		cr_assert_float_eq(mp_gev_reduce(&g, mp_gev_value(&g, y)), y, 1e-9);
		cr_assert_float_eq(mp_gev_reduce(&ended, mp_gev_value(&ended, y)), y, 1e-4);
	}
}

Test(gev, mean_and_variance_meet_those_of_gumbel)
{
	const struct mp_gev gumbel = {1, 2, 0}, nearly = {1, 2, 2e-5};

	cr_assert_float_eq(mp_gev_mean(&gumbel), 1 + 2 * 0.5772156649, 1e-9);
	cr_assert_float_eq(mp_gev_mean(&nearly), mp_gev_mean(&gumbel), 1e-3);
	cr_assert_float_eq(mp_gev_variance(&gumbel), 4 * M_PI * M_PI / 6, 1e-9);
	cr_assert_float_eq(mp_gev_variance(&nearly), mp_gev_variance(&gumbel), 1e-2);
	cr_assert_eq(mp_gev_mean(&(struct mp_gev){0, 1, 1}), INFINITY);
	cr_assert_eq(mp_gev_variance(&(struct mp_gev){0, 1, 0.5}), INFINITY);
}

/* Of 4000 values the moments' shape is off by some 0.015, one standard deviation. */
Test(gev, moments_find_the_parameters)
{
	begin(11);
	for (double shape = -0.3; shape < 0.35; shape += 0.1) {
		const struct mp_gev g = {200, 15, shape};
		struct mp_gev found;

		draw(&g, VALUES);
		cr_assert_eq(mp_gev_by_moments(value, VALUES, &found), 0);
		cr_assert_float_eq(found.shape, shape, 0.06, "%g instead of %g", found.shape, shape);
		cr_assert_float_eq(found.location, 200, 1.2);
		cr_assert_float_eq(found.scale, 15, 1);
	}
}

Test(gev, moments_of_too_little)
{
	const double same[] = {3, 3, 3, 3};
	struct mp_gev g;

	cr_assert_lt(mp_gev_by_moments(same, 4, &g), 0);
	cr_assert_lt(mp_gev_by_moments((double[]){1, 2}, 2, &g), 0);
	cr_assert_lt(mp_gev_by_moments(NULL, 0, &g), 0);
}

Test(gev, the_prior_is_a_density)
{
	double sum = 0, mean = 0, square = 0;

	for (double shape = -0.4995; shape < 0.5; shape += 0.001) {
		double p = exp(mp_gev_log_prior(shape)) * 0.001;

		sum += p;
		mean += p * shape;
		square += p * shape * shape;
	}
	cr_assert_float_eq(sum, 1, 1e-6);
	cr_assert_float_eq(mean, 0, 1e-6);
	cr_assert_float_eq(sqrt(square), 0.12, 0.003);
	cr_assert_eq(mp_gev_log_prior(0.5), -INFINITY);
	cr_assert_eq(mp_gev_log_prior(NAN), -INFINITY);
}

Test(normal, quantiles)
{
	cr_assert_float_eq(mp_normal_with_above(0.025), 1.959963984540054, 1e-11);
	cr_assert_float_eq(mp_normal_with_above(0.975), -1.959963984540054, 1e-11);
	cr_assert_float_eq(mp_normal_with_above(0.5), 0, 1e-11);
	for (double z = -8; z < 30; z += 0.25) {
		double back = mp_normal_with_above(z < 0 ? 1 - mp_normal_below(z) : mp_normal_above(z));

		/* Near 1, probabilities are a multiple of 1e-16. */
		cr_assert_float_eq(back, z, z < -5 ? 0.1 : 1e-8, "%g instead of %g", back, z);
	}
}

/* (x - 3)^2 / 2 + 2 (y + 1)^2 + x y / 2, but nothing where x < 0. */
static double bowl(const double *x, void *ctx)
{
	++*(int *)ctx;
	return x[0] < 0 ? INFINITY : pow(x[0] - 3, 2) / 2 + 2 * pow(x[1] + 1, 2) + x[0] * x[1] / 2;
}

Test(minimum, of_a_bowl)
{
	double x[] = {0.5, 4}, root[MP_MINIMUM_DIMENSIONS][MP_MINIMUM_DIMENSIONS];
	const double step[] = {1, 1}, small[] = {1e-3, 1e-3}, most[] = {100, 100};
	int calls = 0;

	mp_minimum(bowl, &calls, x, step, 2, 1e-10, 1000);
	/* Where the derivatives, x - 3 + y / 2 and 4 (y + 1) + x / 2, are 0. */
	cr_assert_float_eq(x[0], 56.0 / 15, 1e-3);
	cr_assert_float_eq(x[1], -22.0 / 15, 1e-3);
	cr_assert_lt(calls, 200);
	/* The inverse of (1 1/2; 1/2 4). */
	mp_minimum_covariance(bowl, &calls, x, small, 2, most, root);
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 2; k++) {
			const double inverse[2][2] = {{16.0 / 15, -2.0 / 15}, {-2.0 / 15, 4.0 / 15}};

			cr_assert_float_eq(
			    root[i][0] * root[k][0] + root[i][1] * root[k][1], inverse[i][k], 1e-6);
		}
}

static double plain(const double *x, void *ctx)
{
	(void)ctx;
	return x[0] > 0 ? 5 : INFINITY;
}

Test(minimum, of_what_has_none)
{
	double x[] = {1}, root[MP_MINIMUM_DIMENSIONS][MP_MINIMUM_DIMENSIONS];
	const double step[] = {0.1}, most[] = {2};

	cr_assert_eq(mp_minimum(plain, NULL, x, step, 1, 1e-6, 100), 5);
	mp_minimum_covariance(plain, NULL, x, step, 1, most, root);
	cr_assert_eq(root[0][0], 2);
}
