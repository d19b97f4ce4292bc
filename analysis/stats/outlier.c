/* SPDX-License-Identifier: MIT */
#include "analysis/stats/outlier.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/student.h"
#include "analysis/stats/tail.h"

struct value {
	double v, least;
	size_t index;
};

/* Sorted values that are left: v[lo] to v[hi - 1]. What was taken out lies on either side, each as it was. */
struct left {
	const struct value *value;
	size_t lo, hi;
};

static int by_value(const void *a, const void *b)
{
	const struct value *x = a, *y = b;

	return x->v < y->v ? -1 : x->v > y->v;
}

static double median_of(const struct left *l)
{
	size_t n = l->hi - l->lo;
	const struct value *middle = &l->value[l->lo + n / 2];

	return n % 2 ? middle->v : (middle[-1].v + middle->v) / 2;
}

/* The one that is farthest from the median: the first or the last. */
static const struct value *take_out(struct left *l)
{
	double middle = median_of(l);

	if (middle - l->value[l->lo].v > l->value[l->hi - 1].v - middle)
		return &l->value[l->lo++];
	return &l->value[--l->hi];
}

static void moments_of(const struct left *l, double *mean, double *deviation)
{
	double first = l->value[l->lo].v, n = (double)(l->hi - l->lo), sum = 0, square = 0;

	for (size_t i = l->lo; i < l->hi; i++)
		sum += l->value[i].v - first;
	*mean = first + sum / n;
	for (size_t i = l->lo; i < l->hi; i++)
		square += pow(l->value[i].v - *mean, 2);
	*deviation = sqrt(square / (n - 1));
}

static struct mp_outlier hold_against(const struct left *l, const struct value *v)
{
	double r = (double)(l->hi - l->lo), mean, deviation;

	moments_of(l, &mean, &deviation);
	double z = (v->v - mean) / fmax(deviation, v->least);
	double t = z / sqrt(1 + 1 / r), df = fmin(r - 1, MP_OUTLIER_FREE);

	return (struct mp_outlier){median_of(l), z, mp_tail_normal(mp_student_z(t, df))};
}

static double log_ways(size_t n, size_t k)
{
	return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

static void judge(const struct value *sorted, size_t n, const struct value **taken, struct mp_outlier *out)
{
	struct left l = {sorted, 0, n};
	size_t most = n / 5;

	for (size_t j = 0; j < most; j++) {
		taken[j] = take_out(&l);
		double log_p = hold_against(&l, taken[j]).log_p + log_ways(n - 1, j) + log((double)most);

		/* Those before it go with it, if it says more than they do. */
		for (size_t i = 0; i <= j; i++) {
			struct mp_outlier *o = &out[taken[i]->index];

			if (i < j && o->log_p <= log_p)
				continue;
			*o = hold_against(&l, taken[i]);
			o->log_p = fmin(0, log_p);
		}
	}
	for (size_t i = l.lo; i < l.hi; i++) {
		out[sorted[i].index] = hold_against(&l, &sorted[i]);
		out[sorted[i].index].log_p = 0;
	}
}

int mp_outliers_of(const double *v, const double *least, size_t n, struct mp_outlier *out)
{
	struct value *sorted = calloc(n + 1, sizeof(*sorted));
	const struct value **taken = calloc(n + 1, sizeof(*taken));
	int rc = sorted && taken ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < n; i++) {
		sorted[i] = (struct value){v[i], least[i], i};
		out[i] = (struct mp_outlier){.expected = NAN};
	}
	if (!rc && n >= MP_OUTLIER_LEAST) {
		qsort(sorted, n, sizeof(*sorted), by_value);
		judge(sorted, n, taken, out);
	}
	free(sorted);
	free(taken);
	return rc;
}
