/* SPDX-License-Identifier: MIT */
#include "analysis/stats/survival.h"

#include <math.h>
#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
	const struct mp_lifetime *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (int)y->is_ended - (int)x->is_ended;
}

void mp_survival_sort(struct mp_lifetime *l, size_t n)
{
	if (n)
		qsort(l, n, sizeof(*l), by_time);
}

/* Goes from one time at which some end to the next. */
struct walk {
	const struct mp_lifetime *l;
	size_t n, i;
	double at_risk; /* weight */
	double time, share;
};

static struct walk begin(const struct mp_lifetime *l, size_t n)
{
	struct walk w = {.l = l, .n = n, .share = 1};

	for (size_t i = 0; i < n; i++)
		w.at_risk += l[i].weight;
	return w;
}

/* False: none ends any more. The last ones leave nothing behind, whatever the rounding errors are. */
static bool step(struct walk *w)
{
	double ended = 0;

	for (; w->i < w->n && !w->l[w->i].is_ended; w->i++)
		w->at_risk -= w->l[w->i].weight;
	if (w->i == w->n)
		return false;
	w->time = w->l[w->i].time;
	for (; w->i < w->n && w->l[w->i].is_ended && w->l[w->i].time == w->time; w->i++)
		ended += w->l[w->i].weight;
	w->share = w->i == w->n || ended >= w->at_risk ? 0 : w->share * (1 - ended / w->at_risk);
	w->at_risk -= ended;
	return true;
}

double mp_survival_at(const struct mp_lifetime *l, size_t n, double t)
{
	struct walk w = begin(l, n);
	double share = 1;

	while (step(&w) && w.time <= t)
		share = w.share;
	return share;
}

/* Products of fractions such as 9/10 and 8/9 miss 8/10 by a rounding error. */
#define ROUNDING 1e-9

double mp_survival_quantile(const struct mp_lifetime *l, size_t n, double q)
{
	struct walk w = begin(l, n);

	while (step(&w))
		if (w.share <= (1 - q) * (1 + ROUNDING))
			return w.time;
	return NAN;
}
