/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/trend.h"

TestSuite(trend, .timeout = 60);

static struct mp_trend trend_of(const double *x, const double *y, size_t n)
{
	struct mp_trend t;

	cr_assert_eq(mp_trend_of(x, y, n, &t), 0);
	return t;
}

static const double days[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

/* ---- Kendall's tau ---- */

/* Ties: scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) of its documentation. */
Test(trend, tau_with_ties)
{
	static const double x[] = {12, 2, 1, 12, 2}, y[] = {1, 4, 7, 1, 0};
	struct mp_trend t = trend_of(x, y, 5);

	cr_assert_float_eq(t.tau, -0.47140452079103173, 1e-15);
	cr_assert_float_eq(exp(t.log_p), 0.2827454599327748, 1e-12);
}

/* Kendall, Rank Correlation Methods, appendix table 1: the probability of a score of S or more, of n. */
Test(trend, exact_probabilities)
{
	static const struct {
		size_t n;
		double y[10], score, above;
	} known[] = {{5, {1, 2, 3, 5, 4}, 8, 0.042}, {5, {2, 1, 3, 5, 4}, 6, 0.117},
	    {8, {1, 2, 3, 4, 5, 6, 8, 7}, 26, 0.00020}, {8, {2, 1, 4, 3, 6, 5, 8, 7}, 20, 0.0071},
	    {10, {2, 3, 1, 5, 6, 4, 8, 9, 7, 10}, 33, 0.0011}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct mp_trend t = trend_of(days, known[i].y, known[i].n);
		double pairs = (double)known[i].n * (double)(known[i].n - 1) / 2;

		cr_assert_float_eq(t.tau, known[i].score / pairs, 1e-12, "%zu: %g", i, t.tau * pairs);
		cr_assert_float_eq(
		    exp(t.log_p) / 2, known[i].above, 0.06 * known[i].above, "%zu: %g", i, exp(t.log_p) / 2);
	}
}

Test(trend, one_order_of_all)
{
	struct mp_trend t = trend_of(days, days, 10);
	double falling[10];

	cr_assert_eq(t.tau, 1);
	cr_assert_float_eq(exp(t.log_p), 2 / 3628800.0, 1e-15);
	for (int i = 0; i < 10; i++)
		falling[i] = -days[i];
	cr_assert_eq(trend_of(days, falling, 10).tau, -1);
	cr_assert_float_eq(trend_of(days, falling, 10).log_p, t.log_p, 1e-12);
}

/* Where the exact distribution ends, it is the normal one nearly; which goes on. */
Test(trend, exact_and_normal_agree)
{
	double x[MP_TREND_EXACT + 1], y[MP_TREND_EXACT + 1];

	for (int i = 0; i <= MP_TREND_EXACT; i++) {
		x[i] = i;
		y[i] = i % 10 + 0.03 * i;
	}
	for (double n = MP_TREND_EXACT; n <= MP_TREND_EXACT + 1; n++) {
		struct mp_trend t = trend_of(x, y, (size_t)n);
		double z = t.tau * sqrt(9 * n * (n - 1) / (2 * (2 * n + 5)));

		cr_assert_float_eq(
		    t.log_p, log(erfc(z / M_SQRT2)), 0.02 * fabs(t.log_p), "%g: %g", n, t.log_p);
		cr_assert(t.lo < t.slope && t.slope < t.hi);
	}
}

/* ---- The slope ---- */

/* By hand: of ten slopes six are 2; of 120 orders one has no inversion, and that is outside on either side.
 */
Test(trend, slope)
{
	static const double y[] = {1, 3, 100, 7, 9};
	struct mp_trend t = trend_of(days, y, 5);

	cr_assert_float_eq(t.slope, 2, 1e-12);
	cr_assert_float_eq(t.lo, -93, 1e-12);
	cr_assert_float_eq(t.hi, 97, 1e-12);
	cr_assert_float_eq(t.intercept, -1, 1e-12);
}

Test(trend, not_known)
{
	static const double y[] = {1, NAN, 5, 7, NAN, 11}, same[] = {3, 3, 3, 3, 3, 3};
	struct mp_trend t = trend_of(days, y, 6);

	cr_assert_eq(t.n, 4);
	cr_assert_float_eq(t.slope, 2, 1e-12);
	cr_assert(isnan(t.lo) && isnan(t.hi), "of 24 orders one is more than 2.5 %%");
	cr_assert(isnan(trend_of(days, same, 6).tau));
	cr_assert(isnan(trend_of(same, days, 6).slope));
	cr_assert(isnan(trend_of(days, days, 2).tau));
	cr_assert_eq(trend_of(days, days, 0).log_p, 0);
}

static double noise(void)
{
	return drand48() + drand48() + drand48() - 1.5;
}

/* In 400 tries of 12 days without a trend p is at most 5 % in 20, with 99.9 % confidence in 36 at most; and
 * the interval misses the slope, which has at least 95 %, likewise. */
Test(trend, chance)
{
	int told = 0, missed = 0;

	srand48(5);
	for (int k = 0; k < 400; k++) {
		double x[12], y[12];

		for (int i = 0; i < 12; i++) {
			x[i] = i + 2 * (i / 5); /* with weekends */
			y[i] = noise();
		}
		told += trend_of(x, y, 12).log_p <= log(0.05);
		for (int i = 0; i < 12; i++)
			y[i] += 3 * x[i];
		struct mp_trend t = trend_of(x, y, 12);
		missed += t.lo > 3 || t.hi < 3;
	}
	cr_assert_leq(told, 36, "%d of 400", told);
	cr_assert_leq(missed, 36, "%d of 400", missed);
	cr_assert_geq(missed, 2, "%d of 400", missed);
}
