/* SPDX-License-Identifier: MIT */
#include "analysis/stats/correlation.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/tail.h"

#define SLOPE_PAIRS_MOST 1000
#define TWO_SIDED_95     1.959963984540054

struct place {
	double value;
	size_t index;
};

static int by_value(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int mp_rank_of(const double *v, size_t n, double *rank)
{
	struct place *place = malloc((n + 1) * sizeof(*place));
	size_t known = 0;

	if (!place)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		rank[i] = NAN;
		if (!isnan(v[i]))
			place[known++] = (struct place){v[i], i};
	}
	qsort(place, known, sizeof(*place), by_value);
	for (size_t i = 0, end; i < known; i = end) {
		for (end = i; end < known && place[end].value == place[i].value;)
			end++;
		for (size_t k = i; k < end; k++)
			rank[place[k].index] = (double)(i + 1 + end) / 2;
	}
	free(place);
	return 0;
}

/* Pearson's, of x[i] and y[i + lag]. */
static double product_moment(const double *x, const double *y, size_t n, size_t lag, size_t *pairs)
{
	double sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
	size_t k = 0;

	for (size_t i = 0; i + lag < n; i++) {
		if (isnan(x[i]) || isnan(y[i + lag]))
			continue;
		sx += x[i];
		sy += y[i + lag];
		k++;
	}
	*pairs = k;
	for (size_t i = 0; k && i + lag < n; i++) {
		if (isnan(x[i]) || isnan(y[i + lag]))
			continue;
		double dx = x[i] - sx / (double)k, dy = y[i + lag] - sy / (double)k;

		xx += dx * dx;
		yy += dy * dy;
		xy += dx * dy;
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

void mp_autocorrelation(const double *v, size_t n, size_t lags, double *r)
{
	for (size_t j = 1; j <= lags; j++) {
		size_t pairs;
		double is = product_moment(v, v, n, j, &pairs);

		r[j - 1] = isnan(is) || pairs < MP_CORRELATION_LEAST ? 0 : is;
	}
}

/* Far apart, products of chance add up to more than what is there: only up to where they cease to be
 * positive. */
static double independent(size_t n, const double *x_auto, const double *y_auto, size_t lags)
{
	double sum = 0;

	for (size_t j = 0; j < lags && j + 1 < n && x_auto[j] * y_auto[j] > 0; j++)
		sum += (1 - (double)(j + 1) / (double)n) * x_auto[j] * y_auto[j];
	return fmax(fmin((double)n, (double)n / (1 + 2 * sum)), 3);
}

void mp_correlate(const double *x, const double *y, size_t n, size_t lag, const double *x_auto,
    const double *y_auto, size_t lags, struct mp_correlation *out)
{
	out->rho = product_moment(x, y, n, lag, &out->n);
	out->n_free = independent(out->n, x_auto, y_auto, lags);
	out->log_p = 0;
	if (out->n < MP_CORRELATION_LEAST)
		out->rho = NAN;
	if (isnan(out->rho) || out->n_free <= 3)
		return;
	/* Of ranks that go together without exception Fisher's z is infinite. */
	double rho = fmin(fabs(out->rho), 1 - 1e-12);
	out->log_p = mp_tail_normal(atanh(rho) * sqrt((out->n_free - 3) / 1.06));
}

int mp_holm(double *log_p, size_t n)
{
	struct place *place = malloc((n + 1) * sizeof(*place));
	double most = -INFINITY;

	if (!place)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		place[i] = (struct place){log_p[i], i};
	qsort(place, n, sizeof(*place), by_value);
	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fmin(0, place[i].value + log((double)(n - i))));
		log_p[place[i].index] = most;
	}
	free(place);
	return 0;
}

/* The pairs that are known, at most as many as are looked at. */
static size_t known_pairs(const double *x, const double *y, size_t n, double *kx, double *ky)
{
	size_t known = 0, step, k = 0, seen = 0;

	for (size_t i = 0; i < n; i++)
		known += !isnan(x[i]) && !isnan(y[i]);
	step = known / SLOPE_PAIRS_MOST + 1;
	for (size_t i = 0; i < n; i++) {
		if (isnan(x[i]) || isnan(y[i]) || seen++ % step)
			continue;
		kx[k] = x[i];
		ky[k++] = y[i];
	}
	return k;
}

void mp_sort(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
}

int mp_slopes_between(const double *x, const double *y, size_t n, double **slope, size_t *slopes)
{
	size_t k = 0;

	*slope = malloc((n * n / 2 + 1) * sizeof(**slope));
	if (!*slope)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (x[i] != x[j])
				(*slope)[k++] = (y[j] - y[i]) / (x[j] - x[i]);
	mp_sort(*slope, k);
	*slopes = k;
	return 0;
}

static double median(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double at(const double *sorted, size_t n, double i)
{
	return sorted[(size_t)fmax(0, fmin(i, (double)(n - 1)))];
}

static void intercept_of(const double *x, double *y, size_t n, struct mp_slope *out)
{
	for (size_t i = 0; i < n; i++)
		y[i] -= out->slope * x[i];
	mp_sort(y, n);
	out->intercept = median(y, n);
}

/* Of pairs that are all known; y is used up. */
static int slope_of_known(const double *x, double *y, size_t n, double n_free, struct mp_slope *out)
{
	double *slope;
	size_t slopes;

	if (mp_slopes_between(x, y, n, &slope, &slopes))
		return -ENOMEM;
	if (n >= MP_CORRELATION_LEAST && slopes) {
		double count = (double)n, wider = fmax(1, sqrt(count / fmax(n_free, 1)));
		double half = TWO_SIDED_95 * wider * sqrt(count * (count - 1) * (2 * count + 5) / 18) / 2;

		out->slope = median(slope, slopes);
		out->lo = at(slope, slopes, floor((double)slopes / 2 - half));
		out->hi = at(slope, slopes, ceil((double)slopes / 2 + half));
		intercept_of(x, y, n, out);
	}
	free(slope);
	return 0;
}

int mp_slope_of(const double *x, const double *y, size_t n, double n_free, struct mp_slope *out)
{
	double *kx = calloc(SLOPE_PAIRS_MOST + 1, sizeof(*kx));
	double *ky = calloc(SLOPE_PAIRS_MOST + 1, sizeof(*ky));
	int rc = -ENOMEM;

	*out = (struct mp_slope){.slope = NAN, .lo = NAN, .hi = NAN, .intercept = NAN};
	if (kx && ky) {
		out->n = known_pairs(x, y, n, kx, ky);
		rc = slope_of_known(kx, ky, out->n, n_free, out);
	}
	free(kx);
	free(ky);
	return rc;
}
