/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/clusters.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/stats/tail.h"

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

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
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

/* In reach_ns to the left of event i, or from end_ns to the right, where event i is the next. */
static double rate_in(const struct scan *s, size_t i, int64_t end_ns, int64_t reach_ns, bool left)
{
	size_t n = left ? i - first_from(s, s->t_ns[i] - reach_ns) : first_from(s, end_ns + reach_ns) - i;

	return rate(n, (double)reach_ns);
}

/* Beside a window. No rate where the recording begins or ends too soon there. */
static double rate_beside(const struct scan *s, size_t i, int64_t end_ns, int64_t width_ns, bool left)
{
	int64_t there = left ? s->t_ns[i] - s->from_ns : s->to_ns - end_ns;
	int64_t reach = least(8 * width_ns, there), beside;
	size_t n = left ? i : s->n - i;

	if (reach < width_ns)
		return 0;
	/* Few events: as far as it takes to see enough. */
	if (n < BESIDE)
		beside = there;
	else
		beside = left ? s->t_ns[i] - s->t_ns[i - BESIDE] : s->t_ns[i + BESIDE - 1] - end_ns;
	if (beside >= reach)
		return rate(n < BESIDE ? n : BESIDE, (double)beside);
	double wide = rate_in(s, i, end_ns, reach, left);
	/* Many: the edge of a busy time may be within reach, but not right beside the window as well. */
	return beside >= width_ns ? wide : fmax(wide, rate_in(s, i, end_ns, width_ns, left));
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
		double around = fmax(rate_beside(s, i, 0, width_ns, true),
		    rate_beside(s, end, s->t_ns[i] + width_ns, width_ns, false));
		double expected = fmax(whole, around * (double)width_ns);
		double log_p = mp_tail_poisson((double)(end - i - 1), expected) + tests;

		if (log_p > log(MP_CLUSTER_ALPHA))
			continue;
		if (best.log_p < 0 && best.end_ns < s->t_ns[i]) {
			add(s, &best);
			best.log_p = 0;
		}
		if (log_p < best.log_p)
			best = (struct mp_cluster){.t_ns = s->t_ns[i],
			    .end_ns = s->t_ns[end - 1],
			    .width_ns = width_ns,
			    .first = i,
			    .n = end - i,
			    .expected = expected,
			    .p_value = exp(log_p),
			    .log_p = log_p};
	}
	if (best.log_p < 0)
		add(s, &best);
}

/* How surely so many events from `first` on are a burst by themselves, at the rate that the window was judged
 * by. */
static double log_p_of(const int64_t *t_ns, size_t first, size_t n, double per_ns)
{
	double length_ns = fmax((double)(t_ns[first + n - 1] - t_ns[first]), 1);

	return mp_tail_poisson((double)(n - 1), length_ns * per_ns);
}

/*
 * A window is as wide as it is, a burst is not: what stands apart at either end, up to four events at a time,
 * goes if the rest is the surer without it.
 */
static void trim(const int64_t *t_ns, struct mp_cluster *c)
{
	double per_ns = c->expected / (double)c->width_ns;

	for (bool better = true; better;) {
		double have = log_p_of(t_ns, c->first, c->n, per_ns);

		better = false;
		for (size_t k = 1; !better && k <= 4 && c->n >= k + MP_CLUSTER_LEAST; k++)
			for (size_t skip = 0; !better && skip <= k; skip += k)
				if (log_p_of(t_ns, c->first + skip, c->n - k, per_ns) < have) {
					c->first += skip;
					c->n -= k;
					better = true;
				}
	}
	c->t_ns = t_ns[c->first];
	c->end_ns = t_ns[c->first + c->n - 1];
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
	for (int i = 0; i < found; i++)
		trim(t_ns, &out[i]);
	free(s.candidate);
	return found;
}
