/* SPDX-License-Identifier: MIT */
#include "analysis/gc/mmu.h"

#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
	const struct mp_pause *x = a, *y = b;

	return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

size_t mp_pauses_merge(struct mp_pause *p, size_t n)
{
	size_t k = 0;

	qsort(p, n, sizeof(*p), by_time);
	for (size_t i = 0; i < n; i++) {
		if (p[i].to_ns <= p[i].from_ns)
			continue;
		if (k && p[i].from_ns <= p[k - 1].to_ns)
			p[k - 1].to_ns = p[i].to_ns > p[k - 1].to_ns ? p[i].to_ns : p[k - 1].to_ns;
		else
			p[k++] = p[i];
	}
	return k;
}

/* The paused time before a moment. Moments must not go back from call to call. */
struct sum {
	const struct mp_pause *p;
	size_t n, next;
	int64_t before_ns; /* of pauses that are over by `next` */
};

static int64_t paused_before(struct sum *s, int64_t t_ns)
{
	while (s->next < s->n && s->p[s->next].to_ns <= t_ns) {
		s->before_ns += s->p[s->next].to_ns - s->p[s->next].from_ns;
		s->next++;
	}
	int64_t part = s->next < s->n ? t_ns - s->p[s->next].from_ns : 0;
	return s->before_ns + (part > 0 ? part : 0);
}

struct tried {
	struct sum lo, hi;
	int64_t first_ns, last_ns, window_ns; /* windows may begin between these */
	struct mp_mmu best;
};

static void try_window(struct tried *t, int64_t at_ns)
{
	at_ns = at_ns < t->first_ns ? t->first_ns : at_ns > t->last_ns ? t->last_ns : at_ns;
	int64_t paused_ns = paused_before(&t->hi, at_ns + t->window_ns) - paused_before(&t->lo, at_ns);

	if (paused_ns > t->best.pause_ns || (paused_ns == t->best.pause_ns && at_ns < t->best.t_ns)) {
		t->best.pause_ns = paused_ns;
		t->best.t_ns = at_ns;
	}
}

/* Windows that begin with a pause, and then those that end with one: each in the order of time. */
static void try_all(struct tried *t, const struct mp_pause *p, size_t n, int is_end)
{
	t->lo = t->hi = (struct sum){.p = p, .n = n};
	for (size_t i = 0; i < n; i++)
		try_window(t, is_end ? p[i].to_ns - t->window_ns : p[i].from_ns);
}

struct mp_mmu mp_mmu_of(const struct mp_pause *p, size_t n, int64_t from_ns, int64_t to_ns, int64_t window_ns)
{
	struct tried t = {.first_ns = from_ns,
	    .last_ns = to_ns - window_ns,
	    .window_ns = window_ns,
	    .best = {.t_ns = from_ns}};

	try_all(&t, p, n, 0);
	try_all(&t, p, n, 1);
	t.best.mmu = 1 - (double)t.best.pause_ns / (double)window_ns;
	return t.best;
}
