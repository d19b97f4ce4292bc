/* SPDX-License-Identifier: MIT */
#include "analysis/explain/slowest.h"

#include <stdbool.h>
#include <stdlib.h>

/* A binary heap: none is slower than those below it, so that the first is the next to give way. */
struct mp_slowest {
	size_t n, max;
	struct mp_slow_call call[];
};

struct mp_slowest *mp_slowest_new(size_t max)
{
	struct mp_slowest *s = malloc(sizeof(*s) + max * sizeof(*s->call));

	if (s) {
		s->n = 0;
		s->max = max;
	}
	return s;
}

void mp_slowest_free(struct mp_slowest *s)
{
	free(s);
}

static bool is_slower(const struct mp_slow_call *a, const struct mp_slow_call *b)
{
	return a->dur_ns != b->dur_ns ? a->dur_ns > b->dur_ns : a->call_id < b->call_id;
}

static void swap(struct mp_slow_call *a, struct mp_slow_call *b)
{
	struct mp_slow_call t = *a;

	*a = *b;
	*b = t;
}

static void rise(struct mp_slowest *s, size_t i)
{
	for (; i && is_slower(&s->call[(i - 1) / 2], &s->call[i]); i = (i - 1) / 2)
		swap(&s->call[i], &s->call[(i - 1) / 2]);
}

static void sink(struct mp_slowest *s)
{
	for (size_t i = 0, child; (child = 2 * i + 1) < s->n; i = child) {
		if (child + 1 < s->n && is_slower(&s->call[child], &s->call[child + 1]))
			child++;
		if (!is_slower(&s->call[i], &s->call[child]))
			break;
		swap(&s->call[i], &s->call[child]);
	}
}

void mp_slowest_offer(struct mp_slowest *s, int64_t dur_ns, int64_t call_id)
{
	struct mp_slow_call call = {dur_ns, call_id};

	if (s->n < s->max) {
		s->call[s->n] = call;
		rise(s, s->n++);
	} else if (s->max && is_slower(&call, &s->call[0])) {
		s->call[0] = call;
		sink(s);
	}
}

static int by_slowness(const void *a, const void *b)
{
	return is_slower(a, b) ? -1 : is_slower(b, a);
}

const struct mp_slow_call *mp_slowest_sort(struct mp_slowest *s, size_t *n)
{
	qsort(s->call, s->n, sizeof(*s->call), by_slowness);
	*n = s->n;
	return s->call;
}
