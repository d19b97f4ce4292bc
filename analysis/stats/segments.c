/* SPDX-License-Identifier: MIT */
#include "analysis/stats/segments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct work {
	size_t n, least;
	double *sum, *square; /* of the first i values */
	double *cost;         /* of the best division of the first i */
	size_t *last;         /* where its last stretch begins */
	double *spare;        /* n of them */
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value, size_t n)
{
	qsort(value, n, sizeof(*value), by_value);
	return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

/* Of independent normal values the median distance of neighbours is 0.6745 times the root of twice their
 * variance. */
static double noise(const double *value, size_t n, double *spare)
{
	for (size_t i = 0; i + 1 < n; i++)
		spare[i] = fabs(value[i + 1] - value[i]);
	double sigma = median(spare, n - 1) / (0.6745 * M_SQRT2);
	return sigma * sigma;
}

static double spread(const struct work *w, size_t from, size_t to)
{
	double sum = w->sum[to] - w->sum[from];
	double rest = w->square[to] - w->square[from] - sum * sum / (double)(to - from);

	return rest > 0 ? rest : 0;
}

static void divide(struct work *w, double penalty)
{
	w->cost[0] = 0;
	for (size_t to = 1; to <= w->n; to++) {
		w->cost[to] = INFINITY;
		w->last[to] = 0;
		for (size_t from = 0; from + w->least <= to; from++) {
			double cost = w->cost[from] + spread(w, from, to) + penalty;
			if (cost < w->cost[to]) {
				w->cost[to] = cost;
				w->last[to] = from;
			}
		}
	}
}

static double mean(const struct work *w, size_t from, size_t to)
{
	return (w->sum[to] - w->sum[from]) / (double)(to - from);
}

/* From the last to the first; then turned round, without the begins of those that are like the one before. */
static size_t collect(const struct work *w, double step, size_t *begin)
{
	size_t n = 0, kept = 1;

	for (size_t to = w->n; to; to = w->last[to])
		begin[n++] = w->last[to];
	for (size_t i = 0; i < n / 2; i++) {
		size_t other = begin[i];
		begin[i] = begin[n - 1 - i];
		begin[n - 1 - i] = other;
	}
	for (size_t i = 1; i < n; i++) {
		size_t end = i + 1 < n ? begin[i + 1] : w->n;
		if (fabs(mean(w, begin[i], end) - mean(w, begin[kept - 1], begin[i])) >= step)
			begin[kept++] = begin[i];
	}
	return kept;
}

size_t mp_segments(const double *value, size_t n, size_t least, double step, size_t *begin)
{
	struct work w = {.n = n, .least = least ? least : 1};

	if (!n)
		return 0;
	begin[0] = 0;
	if (n < 4 || n < 2 * w.least)
		return 1;
	w.sum = calloc(5 * (n + 1), sizeof(*w.sum));
	w.last = calloc(n + 1, sizeof(*w.last));
	size_t found = 0;
	if (w.sum && w.last) {
		w.square = w.sum + n + 1;
		w.cost = w.square + n + 1;
		w.spare = w.cost + n + 1;
		/* Around the first value, so that squares do not swallow what differs. */
		for (size_t i = 0; i < n; i++) {
			double v = value[i] - value[0];
			w.sum[i + 1] = w.sum[i] + v;
			w.square[i + 1] = w.square[i] + v * v;
		}
		/* Without any noise each change is one; but not those of rounding. */
		double penalty = 4 * log((double)n) * noise(value, n, w.spare);
		divide(&w, penalty > 1e-12 * w.square[n] ? penalty : 1e-12 * w.square[n] + 1e-300);
		found = collect(&w, step, begin);
	}
	free(w.sum);
	free(w.last);
	return found;
}
