/* SPDX-License-Identifier: MIT */
#include "analysis/stats/trend.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/correlation.h"
#include "analysis/stats/tail.h"

#define TREND_LEAST  3
#define TWO_SIDED_95 1.959963984540054

/* Sums over groups of the same value, of t values each: of t(t-1), t(t-1)(t-2) and t(t-1)(2t+5). */
struct ties {
	double twos, threes, fives;
};

static struct ties ties_of(const double *v, size_t n)
{
	struct ties sum = {0};

	/* Each member of a group adds its part of the group's sum. */
	for (size_t i = 0; i < n; i++) {
		double t = 0;

		for (size_t j = 0; j < n; j++)
			t += v[j] == v[i];
		sum.twos += t - 1;
		sum.threes += (t - 1) * (t - 2);
		sum.fives += (t - 1) * (2 * t + 5);
	}
	return sum;
}

/* Pairs that rise less those that fall. */
static double score_of(const double *x, const double *y, size_t n)
{
	double score = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++) {
			double sign = (x[j] - x[i]) * (y[j] - y[i]);

			score += (sign > 0) - (sign < 0);
		}
	return score;
}

static double variance(size_t n, const struct ties *x, const struct ties *y)
{
	double k = (double)n, v = (k * (k - 1) * (2 * k + 5) - x->fives - y->fives) / 18;

	v += x->twos * y->twos / (2 * k * (k - 1));
	return v + x->threes * y->threes / (9 * k * (k - 1) * (k - 2));
}

#define INVERSIONS (MP_TREND_EXACT * (MP_TREND_EXACT - 1) / 2 + 1)

/* below[k]: the probability that an order of n values has k inversions or fewer. */
static void inversions_below(size_t n, double *below)
{
	double before[INVERSIONS];
	size_t most = 0;

	memset(below, 0, INVERSIONS * sizeof(*below));
	below[0] = 1;
	/* The m-th value has 0 to m - 1 of those before it behind it, each as likely. */
	for (size_t m = 2; m <= n; m++) {
		memcpy(before, below, sizeof(before));
		for (size_t k = 0; k <= most + m - 1; k++) {
			below[k] = 0;
			for (size_t j = 0; j < m && j <= k; j++)
				below[k] += before[k - j] / (double)m;
		}
		most += m - 1;
	}
	for (size_t k = 1; k <= most; k++)
		below[k] += below[k - 1];
}

static double log_p_of(double score, size_t n, const struct ties *x, const struct ties *y)
{
	double below[INVERSIONS], pairs = (double)n * ((double)n - 1) / 2;

	if (x->twos > 0 || y->twos > 0 || n > MP_TREND_EXACT)
		return mp_tail_normal(score / sqrt(variance(n, x, y)));
	inversions_below(n, below);
	return fmin(0, log(2 * below[(size_t)((pairs - fabs(score)) / 2)]));
}

/* So many slopes at either end lie outside of the interval; 0: there is none. */
static size_t outside(size_t n, size_t slopes, const struct ties *x)
{
	const struct ties none = {0};
	double below[INVERSIONS];
	size_t k = 0;

	if (x->twos > 0 || n > MP_TREND_EXACT) {
		double in = ((double)slopes - TWO_SIDED_95 * sqrt(variance(n, x, &none))) / 2;

		return in < 1 ? 0 : (size_t)in;
	}
	inversions_below(n, below);
	while (below[k] <= 0.025)
		k++;
	return k;
}

static double median(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* y is used up. */
static int slope_of(const double *x, double *y, size_t n, const struct ties *x_ties, struct mp_trend *out)
{
	double *slope;
	size_t slopes;

	if (mp_slopes_between(x, y, n, &slope, &slopes))
		return -ENOMEM;
	size_t k = outside(n, slopes, x_ties);
	out->slope = median(slope, slopes);
	if (k) {
		out->lo = slope[k - 1];
		out->hi = slope[slopes - k];
	}
	for (size_t i = 0; i < n; i++)
		y[i] -= out->slope * x[i];
	mp_sort(y, n);
	out->intercept = median(y, n);
	free(slope);
	return 0;
}

int mp_trend_of(const double *x, const double *y, size_t n, struct mp_trend *out)
{
	double *kx = calloc(2 * n + 1, sizeof(*kx)), *ky = kx ? kx + n : NULL;
	int rc = 0;

	*out = (struct mp_trend){.tau = NAN, .slope = NAN, .lo = NAN, .hi = NAN, .intercept = NAN};
	if (!kx)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (isnan(x[i]) || isnan(y[i]))
			continue;
		kx[out->n] = x[i];
		ky[out->n++] = y[i];
	}
	double pairs = (double)out->n * ((double)out->n - 1);
	struct ties x_ties = ties_of(kx, out->n), y_ties = ties_of(ky, out->n);
	if (out->n >= TREND_LEAST && x_ties.twos < pairs && y_ties.twos < pairs) {
		double score = score_of(kx, ky, out->n);

		out->tau = 2 * score / sqrt((pairs - x_ties.twos) * (pairs - y_ties.twos));
		out->log_p = log_p_of(score, out->n, &x_ties, &y_ties);
		rc = slope_of(kx, ky, out->n, &x_ties, out);
	}
	free(kx);
	return rc;
}
