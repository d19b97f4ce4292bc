/* SPDX-License-Identifier: MIT */
#include "analysis/stats/effect.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/stats/tail.h"

struct group {
	double weight, squares; /* sums */
	double mean,
	    spread; /* of the places in the other group; spread: sum of squared weighted deviations */
};

static int by_value(const void *a, const void *b)
{
	const struct mp_value *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

/*
 * Runs over equal values: the place of a value is the weight below it in the other group, half of what is
 * equal included. First the mean of the places, then, with `centre`, the deviations from it.
 */
static double places(const struct mp_value *value, size_t n, struct group group[2], bool centre)
{
	double below[2] = {0, 0}, ties = 0, all = group[0].weight + group[1].weight;

	for (size_t i = 0, end; i < n; i = end) {
		double equal[2] = {0, 0};

		for (end = i; end < n && value[end].value == value[i].value; end++)
			equal[value[end].is_in] += value[end].weight;
		for (size_t k = i; k < end; k++) {
			struct group *own = &group[value[k].is_in];
			bool other = !value[k].is_in;
			double place = (below[other] + equal[other] / 2) / group[other].weight;
			double w = value[k].weight / own->weight;

			if (centre)
				own->spread += w * w * (place - own->mean) * (place - own->mean);
			else
				own->mean += w * place;
		}
		ties += pow((equal[0] + equal[1]) / all, 3);
		below[0] += equal[0];
		below[1] += equal[1];
	}
	return ties;
}

void mp_effect_sort(struct mp_value *value, size_t n)
{
	qsort(value, n, sizeof(*value), by_value);
}

void mp_effect_compare(const struct mp_value *value, size_t n, struct mp_effect *out)
{
	struct group group[2] = {{0}};

	*out = (struct mp_effect){0};
	for (size_t i = 0; i < n; i++) {
		struct group *g = &group[value[i].is_in];

		g->weight += value[i].weight;
		g->squares += value[i].weight * value[i].weight;
		out->n_in += value[i].is_in;
	}
	out->n_out = n - out->n_in;
	if (!out->n_in || !out->n_out)
		return;
	double ties = places(value, n, group, false);

	places(value, n, group, true);
	/* What rows of different weights are worth (Kish). */
	double worth_in = group[1].weight * group[1].weight / group[1].squares;
	double worth_out = group[0].weight * group[0].weight / group[0].squares;
	double equal = (1 - ties) * (1 / worth_in + 1 / worth_out + 1 / (worth_in * worth_out)) / 12;
	double variance = fmax(group[0].spread + group[1].spread, equal);

	out->delta = 2 * group[1].mean - 1;
	if (variance > 0)
		out->log_p = mp_tail_normal((group[1].mean - 0.5) / sqrt(variance));
}

double mp_effect_quantile(const struct mp_value *value, size_t n, bool in, double share)
{
	double all = 0, upto = 0, last = NAN;

	for (size_t i = 0; i < n; i++)
		all += value[i].is_in == in ? value[i].weight : 0;
	for (size_t i = 0; i < n && !(upto > 0 && upto >= all * share); i++)
		if (value[i].is_in == in) {
			upto += value[i].weight;
			last = value[i].value;
		}
	return last;
}
