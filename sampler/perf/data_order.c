/* SPDX-License-Identifier: MIT */
#include "sampler/perf/data_order.h"

#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"

/* A binary heap, the earliest on top. */
struct mp_perf_order {
	struct mp_perf_waiting **heap;
	size_t n, room, bytes;
	uint64_t numbers;
	/* Times: the latest so far, the latest when the last round ended, and up to which all is known. */
	uint64_t latest, before, ready;
	bool is_ended;
};

/* What the heap and malloc() take for a record besides its bytes. */
#define RECORD_OVERHEAD (sizeof(struct mp_perf_waiting) + 24)

struct mp_perf_order *mp_perf_order_new(void)
{
	return calloc(1, sizeof(struct mp_perf_order));
}

void mp_perf_order_free(struct mp_perf_order *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		free(o->heap[i]);
	free(o->heap);
	free(o);
}

static bool is_before(const struct mp_perf_waiting *a, const struct mp_perf_waiting *b)
{
	return a->time != b->time ? a->time < b->time : a->number < b->number;
}

static void rise(struct mp_perf_order *o, size_t at)
{
	struct mp_perf_waiting *w = o->heap[at];

	for (; at && is_before(w, o->heap[(at - 1) / 2]); at = (at - 1) / 2)
		o->heap[at] = o->heap[(at - 1) / 2];
	o->heap[at] = w;
}

static void sink(struct mp_perf_order *o, struct mp_perf_waiting *w)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < o->n) {
		if (child + 1 < o->n && is_before(o->heap[child + 1], o->heap[child]))
			child++;
		if (!is_before(o->heap[child], w))
			break;
		o->heap[at] = o->heap[child];
		at = child;
	}
	o->heap[at] = w;
}

bool mp_perf_order_add(
    struct mp_perf_order *o, uint64_t time, size_t event, const void *bytes, size_t n_bytes)
{
	struct mp_perf_waiting *w = malloc(sizeof(*w) + n_bytes);

	if (!w || !mp_grow((void **)&o->heap, &o->room, o->n + 1, sizeof(struct mp_perf_waiting *))) {
		free(w);
		return false;
	}
	*w = (struct mp_perf_waiting){
	    .time = time, .number = o->numbers++, .event = event, .n_bytes = n_bytes};
	memcpy(w->bytes, bytes, n_bytes);
	o->latest = time > o->latest ? time : o->latest;
	o->bytes += n_bytes + RECORD_OVERHEAD;
	o->heap[o->n++] = w;
	rise(o, o->n - 1);
	return true;
}

void mp_perf_order_round(struct mp_perf_order *o)
{
	o->ready = o->before;
	o->before = o->latest;
}

void mp_perf_order_end(struct mp_perf_order *o)
{
	o->is_ended = true;
}

struct mp_perf_waiting *mp_perf_order_next(struct mp_perf_order *o)
{
	if (!o->n || (!o->is_ended && o->bytes <= MP_PERF_ORDER_BYTES && o->heap[0]->time > o->ready))
		return NULL;
	struct mp_perf_waiting *w = o->heap[0], *last = o->heap[--o->n];
	o->bytes -= w->n_bytes + RECORD_OVERHEAD;
	if (o->n)
		sink(o, last);
	return w;
}
