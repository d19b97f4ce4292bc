/* SPDX-License-Identifier: MIT */
#include "analysis/clusters.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/tail.h"

#define WIDTHS     8
#define SHORTEST   100000 /* ns; each of the others four times the one before */
#define BESIDE     32     /* events on one side that tell a rate */
#define CANDIDATES 4096

struct scan {
	const int64_t *t_ns;
	size_t n;
	int64_t from_ns, to_ns;
	struct mp_cluster *candidate; /* the surest ones */
	size_t count;
};

static int by_p(const void *a, const void *b)
{
	const struct mp_cluster *x = a, *y = b;

	if (x->log_p != y->log_p)
		return x->log_p < y->log_p ? -1 : 1;
	return x->t_ns < y->t_ns ? -1 : x->t_ns > y->t_ns;
}

/* Events per ns, from so many in a time, and not by chance lower than in truth. */
static double rate(size_t n, double time_ns)
{
	double events = (double)n + 2 * sqrt((double)n) + 2;

	return time_ns > 0 ? events / time_ns : 0;
}

/* The first event at t_ns or later. */
static size_t first_from(const struct scan *s, int64_t t_ns)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (s->t_ns[middle] < t_ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/* Before event i. No rate where the recording begins too soon before it. */
static double rate_before(const struct scan *s, size_t i, int64_t width_ns)
{
	int64_t reach = 8 * width_ns;

	if (s->t_ns[i] - s->from_ns < reach)
		return 0;
	size_t n = i < BESIDE ? i : BESIDE;
	double near = (double)(s->t_ns[i] - (n < BESIDE ? s->from_ns : s->t_ns[i - BESIDE]));

	if (near >= (double)reach)
		return rate(n, near);
	return rate(i - first_from(s, s->t_ns[i] - reach), (double)reach);
}

/* From `end`, the time and the index behind a window. */
static double rate_after(const struct scan *s, size_t i, int64_t end_ns, int64_t width_ns)
{
	int64_t reach = 8 * width_ns;

	if (s->to_ns - end_ns < reach)
		return 0;
	size_t left = s->n - i, n = left < BESIDE ? left : BESIDE;
	double near = (double)((n < BESIDE ? s->to_ns : s->t_ns[i + BESIDE - 1]) - end_ns);

	if (near >= (double)reach)
		return rate(n, near);
	return rate(first_from(s, end_ns + reach) - i, (double)reach);
}

/* Keeps the surest: when the room is used up, the worse half goes. */
static void add(struct scan *s, const struct mp_cluster *c)
{
	if (s->count == CANDIDATES) {
		qsort(s->candidate, s->count, sizeof(*c), by_p);
		s->count /= 2;
	}
	s->candidate[s->count++] = *c;
}

/*
 * All windows of one width. Of significant ones that overlap, only the surest goes on: a burst of n events
 * has as many windows.
 */
static void scan_width(struct scan *s, int64_t width_ns)
{
	double span = (double)(s->to_ns - s->from_ns), whole = (double)s->n / span * (double)width_ns;
	double tests = log((double)s->n * WIDTHS), enough = whole + 4 * sqrt(whole) + MP_CLUSTER_LEAST - 1;
	struct mp_cluster best = {.log_p = 0};

	for (size_t i = 0, end = 0; i < s->n; i++) {
		while (end < s->n && s->t_ns[end] - s->t_ns[i] < width_ns)
			end++;
		if ((double)(end - i) < enough)
			continue;
		/* The recording's own rate first: most windows need no look at their neighbours. */
		if (mp_tail_poisson((double)(end - i - 1), whole) + tests > log(MP_CLUSTER_ALPHA))
			continue;
		double around =
		    fmax(rate_before(s, i, width_ns), rate_after(s, end, s->t_ns[i] + width_ns, width_ns));
		double expected = fmax(whole, around * (double)width_ns);
		double log_p = mp_tail_poisson((double)(end - i - 1), expected) + tests;

		if (log_p > log(MP_CLUSTER_ALPHA))
			continue;
		if (best.log_p < 0 && best.end_ns < s->t_ns[i]) {
			add(s, &best);
			best.log_p = 0;
		}
		if (log_p < best.log_p)
			best = (struct mp_cluster){
			    s->t_ns[i], s->t_ns[end - 1], i, end - i, expected, exp(log_p), log_p};
	}
	if (best.log_p < 0)
		add(s, &best);
}

static bool overlaps(const struct mp_cluster *a, const struct mp_cluster *b)
{
	return a->first < b->first + b->n && b->first < a->first + a->n;
}

int mp_clusters_find(
    const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, struct mp_cluster *out, int most)
{
	struct scan s = {.t_ns = t_ns, .n = n, .from_ns = from_ns, .to_ns = to_ns};
	int64_t width_ns = SHORTEST;
	int found = 0;

	if (n < MP_CLUSTER_LEAST || to_ns <= from_ns)
		return 0;
	s.candidate = malloc(CANDIDATES * sizeof(*s.candidate));
	if (!s.candidate)
		return -ENOMEM;
	/* A window of a twentieth of the recording has nothing beside it to compare it with. */
	for (int w = 0; w < WIDTHS && width_ns <= (to_ns - from_ns) / 20; w++, width_ns *= 4)
		scan_width(&s, width_ns);
	qsort(s.candidate, s.count, sizeof(*s.candidate), by_p);
	for (size_t i = 0; i < s.count && found < most; i++) {
		bool is_new = true;

		for (int k = 0; k < found; k++)
			is_new = is_new && !overlaps(&s.candidate[i], &out[k]);
		if (is_new)
			out[found++] = s.candidate[i];
	}
	free(s.candidate);
	return found;
}
