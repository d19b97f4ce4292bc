/* SPDX-License-Identifier: MIT */
#include "sampler/deferred.h"

#include <stdlib.h>
#include <string.h>

struct waiting {
	struct waiting *next;
	size_t bytes;
	int64_t call_id;
	struct mp_call_event event;
	struct mp_causes causes;          /* what event.causes points to */
	struct mp_stack_state stack;      /* likewise event.stack */
	_Alignas(8) unsigned char data[]; /* the bytes of the stack, then the addresses of event.ip */
};

struct mp_deferred {
	struct waiting *first, **last;
	size_t n, bytes;
	int64_t oldest_ns;
};

struct mp_deferred *mp_deferred_new(void)
{
	struct mp_deferred *d = calloc(1, sizeof(*d));

	if (d)
		*d = (struct mp_deferred){.last = &d->first, .oldest_ns = INT64_MAX};
	return d;
}

void mp_deferred_free(struct mp_deferred *d)
{
	if (!d)
		return;
	while (d->first) {
		struct waiting *w = d->first;

		d->first = w->next;
		free(w);
	}
	free(d);
}

static void append(struct mp_deferred *d, struct waiting *w)
{
	w->next = NULL;
	*d->last = w;
	d->last = &w->next;
	d->bytes += w->bytes;
	d->n++;
	if (w->event.t_ns < d->oldest_ns)
		d->oldest_ns = w->event.t_ns;
}

size_t mp_deferred_count(const struct mp_deferred *d)
{
	return d->n;
}

int64_t mp_deferred_oldest_ns(const struct mp_deferred *d)
{
	return d->oldest_ns;
}

bool mp_deferred_is_filling(const struct mp_deferred *d)
{
	return d->bytes > MP_DEFERRED_BYTES / 4;
}

bool mp_deferred_put(struct mp_deferred *d, const struct mp_call_event *e)
{
	size_t stack_bytes =
	    e->stack ? (e->stack->n_bytes + 7) & ~(size_t)7 : 0; /* what follows stays aligned */
	size_t ip_bytes = e->nframes * sizeof(*e->ip),
	       bytes = sizeof(struct waiting) + stack_bytes + ip_bytes;
	struct waiting *w = bytes <= MP_DEFERRED_BYTES - d->bytes ? malloc(bytes) : NULL;

	if (!w)
		return false;
	w->bytes = bytes;
	w->call_id = 0;
	w->event = *e;
	if (e->causes) {
		w->causes = *e->causes;
		w->event.causes = &w->causes;
	}
	if (e->stack) {
		w->stack = *e->stack;
		memcpy(w->data, e->stack->bytes, e->stack->n_bytes);
		w->stack.bytes = w->data;
		w->event.stack = &w->stack;
	}
	if (ip_bytes)
		memcpy(w->data + stack_bytes, e->ip, ip_bytes);
	w->event.ip = (const uint64_t *)(const void *)(w->data + stack_bytes);
	append(d, w);
	return true;
}

void mp_deferred_each(struct mp_deferred *d, mp_deferred_fn *take, void *ctx)
{
	struct waiting *w = d->first, *next;

	d->first = NULL;
	d->last = &d->first;
	d->bytes = d->n = 0;
	d->oldest_ns = INT64_MAX;
	for (; w; w = next) {
		next = w->next;
		if (take(ctx, &w->event, &w->call_id))
			append(d, w);
		else
			free(w);
	}
}
