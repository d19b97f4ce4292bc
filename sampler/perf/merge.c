/* SPDX-License-Identifier: MIT */
#include "sampler/perf/merge.h"

#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"

bool mp_perf_merge_add(
    struct mp_perf_merge *m, int64_t t_ns, int ring, const struct perf_event_header *record)
{
	if (!mp_grow((void **)&m->waiting, &m->room, m->n + 1, sizeof(*m->waiting)) ||
	    !mp_grow((void **)&m->bytes, &m->bytes_room, m->n_bytes + record->size, 1))
		return false;
	m->waiting[m->n++] = (struct mp_perf_merged){t_ns, ring, m->n_bytes};
	memcpy(m->bytes + m->n_bytes, record, record->size);
	m->n_bytes += record->size; /* a multiple of 8: what follows stays aligned */
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct mp_perf_merged *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int by_time(const void *a, const void *b)
{
	const struct mp_perf_merged *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return by_place(a, b);
}

static const struct perf_event_header *record_of(const struct mp_perf_merge *m, size_t i)
{
	return (const void *)(m->bytes + m->waiting[i].at);
}

/* What waits moves to the front, in the order in which it came: each to a place before its own. */
static void close_up(struct mp_perf_merge *m, size_t done)
{
	size_t bytes = 0;

	m->n -= done;
	memmove(m->waiting, m->waiting + done, m->n * sizeof(*m->waiting));
	if (m->n)
		qsort(m->waiting, m->n, sizeof(*m->waiting), by_place);
	for (size_t i = 0; i < m->n; i++) {
		size_t size = record_of(m, i)->size;

		memmove(m->bytes + bytes, record_of(m, i), size);
		m->waiting[i].at = bytes;
		bytes += size;
	}
	m->n_bytes = bytes;
}

void mp_perf_merge_take(struct mp_perf_merge *m, int64_t up_to_ns, mp_perf_merge_fn *fn, void *ctx)
{
	size_t done = 0;

	if (m->n)
		qsort(m->waiting, m->n, sizeof(*m->waiting), by_time);
	for (; done < m->n && m->waiting[done].t_ns <= up_to_ns; done++)
		fn(ctx, record_of(m, done), m->waiting[done].t_ns, m->waiting[done].ring);
	if (done)
		close_up(m, done);
}

void mp_perf_merge_free(struct mp_perf_merge *m)
{
	free(m->waiting);
	free(m->bytes);
	*m = (struct mp_perf_merge){0};
}
