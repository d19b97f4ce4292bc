/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/correlation.h"

TestSuite(correlation, .timeout = 60);

/* ---- Ranks ---- */

Test(correlation, ranks)
{
	static const double v[] = {5, 1, NAN, 5, 7, 1, 1}, want[] = {4.5, 2, NAN, 4.5, 6, 2, 2};
	double rank[7];

	cr_assert_eq(mp_rank_of(v, 7, rank), 0);
	for (int i = 0; i < 7; i++)
		cr_assert(isnan(want[i]) ? isnan(rank[i]) : rank[i] == want[i], "%d: %g", i, rank[i]);
}

/* ---- Correlation ---- */

static struct mp_correlation correlate(const double *x, const double *y, size_t n, size_t lag)
{
	double *rx = malloc(n * sizeof(*rx)), *ry = malloc(n * sizeof(*ry));
	double ax[50], ay[50];
	size_t lags = n / 5 < 50 ? n / 5 : 50;
	struct mp_correlation c;

	cr_assert_eq(mp_rank_of(x, n, rx), 0);
	cr_assert_eq(mp_rank_of(y, n, ry), 0);
	mp_autocorrelation(rx, n, lags, ax);
	mp_autocorrelation(ry, n, lags, ay);
	mp_correlate(rx, ry, n, lag, ax, ay, lags, &c);
	free(rx);
	free(ry);
	return c;
}

/* Spearman's rho of scipy.stats.spearmanr. */
Test(correlation, rho)
{
	static const double x[] = {106, 86, 100, 101, 99, 103, 97, 113, 112, 110};
	static const double y[] = {7, 0, 27, 50, 28, 29, 20, 12, 6, 17};
	struct mp_correlation c = correlate(x, y, 10, 0);

	cr_assert_eq(c.n, 10);
	cr_assert_float_eq(c.rho, -29.0 / 165, 1e-12);
	cr_assert_gt(exp(c.log_p), 0.3);
}

Test(correlation, too_little)
{
	static const double x[10] = {1, 2, 3, 4, 5, 6, 7, NAN, NAN, NAN}, same[10] = {0};

	cr_assert(isnan(correlate(x, x, 10, 0).rho));
	cr_assert(isnan(correlate(same, same, 10, 0).rho));
	cr_assert_eq(correlate(same, same, 10, 0).log_p, 0);
}

#define N 600
static double x[N], y[N];

/* Each value is `stays` of the one before, and noise. */
static void walk(double *v, double stays, unsigned int seed)
{
	srand48(seed);
	v[0] = drand48();
	for (int i = 1; i < N; i++)
		v[i] = stays * v[i - 1] + drand48() - 0.5;
}

Test(correlation, lag)
{
	walk(x, 0, 1);
	for (int i = 0; i < N; i++)
		y[i] = i < 3 ? 0 : exp(x[i - 3]);
	cr_assert_gt(correlate(x, y, N, 3).rho, 0.999); /* ranks are of the whole series */
	cr_assert_lt(fabs(correlate(x, y, N, 0).rho), 0.15);
	cr_assert_eq(correlate(x, y, N, 3).n, N - 3);
}

/* Walks that know nothing of each other seem to: how many of 200 pairs are called sure at 5 %, with 95 %
 * confidence no more than 20 of them, and how many would be if all their values counted. */
Test(correlation, false_alarms)
{
	int told = 0, naive = 0;

	for (unsigned int i = 0; i < 200; i++) {
		walk(x, 0.9, 2 * i + 10);
		walk(y, 0.9, 2 * i + 11);
		struct mp_correlation c = correlate(x, y, N, 0);

		told += c.log_p < log(0.05);
		naive += fabs(c.rho) > 1.96 / sqrt(N);
		cr_assert_lt(c.n_free, N / 4.0);
	}
	cr_assert_leq(told, 20, "%d of 200", told);
	cr_assert_gt(naive, 60, "%d of 200", naive);
}

Test(correlation, holm)
{
	double p[] = {log(0.01), log(0.04), log(0.03), log(0.005)};
	static const double want[] = {0.03, 0.06, 0.06, 0.02}; /* p.adjust(c(...), "holm") of R */

	cr_assert_eq(mp_holm(p, 4), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_float_eq(exp(p[i]), want[i], 1e-12);
	cr_assert_eq(mp_holm(p, 0), 0);
}

/* ---- Slopes ---- */

Test(correlation, slope)
{
	struct mp_slope s;

	walk(x, 0, 3);
	walk(y, 0, 4);
	for (int i = 0; i < N; i++)
		y[i] = 2 * x[i] + 7 + 0.1 * y[i] + (i % 5 == 0 ? 1e6 : 0);
	cr_assert_eq(mp_slope_of(x, y, N, N, &s), 0);
	cr_assert_float_eq(s.slope, 2, 0.05);
	cr_assert(s.lo < s.slope && s.slope < s.hi);
	cr_assert_eq(s.n, N);
	double width = s.hi - s.lo;
	cr_assert_eq(mp_slope_of(x, y, N, N / 4.0, &s), 0);
	cr_assert_gt(s.hi - s.lo, width);
}

/* The interval holds the slope in 95 of 100: in 40 tries at most 6 times it does not, with 99 % confidence.
 */
Test(correlation, slope_interval)
{
	int missed = 0;
	struct mp_slope s;

	for (unsigned int k = 0; k < 40; k++) {
		walk(x, 0, 100 + k);
		walk(y, 0, 200 + k);
		for (int i = 0; i < 100; i++)
			y[i] += 3 * x[i];
		cr_assert_eq(mp_slope_of(x, y, 100, 100, &s), 0);
		missed += s.lo > 3 || s.hi < 3;
	}
	cr_assert_leq(missed, 6, "%d of 40", missed);
}

Test(correlation, no_slope)
{
	static const double same[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct mp_slope s;

	cr_assert_eq(mp_slope_of(same, same, 10, 10, &s), 0);
	cr_assert(isnan(s.slope));
	cr_assert_eq(mp_slope_of(same, same, 0, 0, &s), 0);
	cr_assert(isnan(s.slope));
}
