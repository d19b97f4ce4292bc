/* SPDX-License-Identifier: MIT */
#include "analysis/stats/outlier.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/correlation.h"
#include "analysis/stats/student.h"
#include "analysis/stats/tail.h"

/* Sorted values without the one at `skip`. */
static double at(const double *v, size_t skip, size_t i)
{
	return v[i < skip ? i : i + 1];
}

static double median_without(const double *v, size_t skip, size_t m)
{
	return m % 2 ? at(v, skip, m / 2) : (at(v, skip, m / 2 - 1) + at(v, skip, m / 2)) / 2;
}

/* The standard deviation of the `kept` of m that are nearest to `middle`. */
static double spread_without(const double *v, size_t skip, size_t m, size_t kept, double middle)
{
	size_t lo = 0, hi = m;
	double mean = 0, square = 0;

	while (hi - lo > kept) {
		if (middle - at(v, skip, lo) > at(v, skip, hi - 1) - middle)
			lo++;
		else
			hi--;
	}
	for (size_t i = lo; i < hi; i++)
		mean += (at(v, skip, i) - middle) / (double)kept;
	for (size_t i = lo; i < hi; i++)
		square += pow(at(v, skip, i) - middle - mean, 2);
	return sqrt(square / ((double)kept - 1));
}

/* Of a value that is there. */
static size_t rank_of(const double *sorted, size_t n, double v)
{
	size_t lo = 0, hi = n - 1;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (sorted[middle] < v)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

static struct mp_outlier judge(const double *sorted, size_t skip, size_t n, double least)
{
	size_t m = n - 1, kept = m - m / 5;
	double expected = median_without(sorted, skip, m);
	double whole = 1.15 + 3.4 * (double)(m - kept) / (double)m;
	double spread = whole * spread_without(sorted, skip, m, kept, expected);
	double z = (sorted[skip] - expected) / fmax(spread, least);
	double df = fmin((double)kept - 1, MP_OUTLIER_FREE);

	return (struct mp_outlier){expected, z, mp_tail_normal(mp_student_z(z, df))};
}

int mp_outliers_of(const double *v, const double *least, size_t n, struct mp_outlier *out)
{
	double *sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, v, n * sizeof(*v));
	mp_sort(sorted, n);
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct mp_outlier){.expected = NAN};
		if (n >= MP_OUTLIER_LEAST)
			out[i] = judge(sorted, rank_of(sorted, n, v[i]), n, least[i]);
	}
	free(sorted);
	return 0;
}
