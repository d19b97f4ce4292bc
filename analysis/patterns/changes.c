/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/changes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/stats/tail.h"

#define BLOCKS     64
#define SIDE_LEAST 30

struct ranked {
	double value;
	size_t index;
};

static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

/* How much more neighbouring sums differ than sums of independent values of this variance would; 1 at least.
 * A single step among them hardly raises it. */
static double bunching(const double *sum, int blocks, double variance)
{
	double squares = 0;

	for (int b = 1; b < blocks; b++)
		squares += (sum[b] - sum[b - 1]) * (sum[b] - sum[b - 1]);
	return fmax(1, squares / (2 * (blocks - 1) * variance));
}

static double bunching_of(const double sum[BLOCKS], double variance)
{
	double coarse[BLOCKS / 4] = {0};

	for (int b = 0; b < BLOCKS; b++)
		coarse[b / 4] += sum[b];
	return fmax(bunching(sum, BLOCKS, variance), bunching(coarse, BLOCKS / 4, 4 * variance));
}

/* Mid-ranks, less their mean. */
static void rank(struct ranked *sorted, size_t n, double *out)
{
	qsort(sorted, n, sizeof(*sorted), by_value);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && sorted[end].value == sorted[i].value; end++)
			;
		for (size_t k = i; k < end; k++)
			out[sorted[k].index] = ((double)(i + end) - (double)n) / 2;
	}
}

int mp_change_of_ranks(const double *value, size_t n, struct mp_change *out)
{
	double sum = 0, squares = 0, most = 0, in_block[BLOCKS] = {0};

	*out = (struct mp_change){.effect = 0.5};
	if (n < MP_CHANGE_LEAST)
		return 0;
	struct ranked *sorted = malloc(n * sizeof(*sorted));
	double *deviation = malloc(n * sizeof(*deviation));
	if (!sorted || !deviation) {
		free(sorted);
		free(deviation);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct ranked){value[i], i};
	rank(sorted, n, deviation);
	for (size_t i = 0; i < n; i++) {
		sum += deviation[i];
		squares += deviation[i] * deviation[i];
		in_block[i * BLOCKS / n] += deviation[i];
		if (i + 1 >= SIDE_LEAST && n - i - 1 >= SIDE_LEAST && fabs(sum) > fabs(most)) {
			most = sum;
			out->at = i + 1;
		}
	}
	free(sorted);
	free(deviation);
	if (!(squares > 0) || !out->at)
		return 0;
	double before = (double)out->at, after = (double)n - before;

	/* The means before and after are most / before and -most / after. */
	out->effect = 0.5 - most * (1 / before + 1 / after) / (double)n;
	out->log_p = mp_tail_bridge(fabs(most) / sqrt(squares * bunching_of(in_block, squares / BLOCKS)));
	return 0;
}

void mp_change_of_rate(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, struct mp_change *out)
{
	double span = (double)to_ns - (double)from_ns, most = 0, in_block[BLOCKS] = {0};

	*out = (struct mp_change){.effect = 0.5};
	if (n < MP_CHANGE_LEAST || !(span > 0))
		return;
	for (size_t i = 0; i < n; i++) {
		double x = ((double)t_ns[i] - (double)from_ns) / span, expected = x * (double)n;
		int block = (int)fmin(fmax(x * BLOCKS, 0), BLOCKS - 1);

		in_block[block]++;
		/* Just before this arrival and with it. */
		for (size_t upto = i; upto <= i + 1; upto++)
			if (fabs((double)upto - expected) > most) {
				most = fabs((double)upto - expected);
				out->at = i + (upto == i ? 0 : 1);
			}
	}
	out->log_p = mp_tail_bridge(most / sqrt((double)n * bunching_of(in_block, (double)n / BLOCKS)));
}
