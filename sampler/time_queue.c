/* SPDX-License-Identifier: MIT */
#include "sampler/time_queue.h"

#include <stdlib.h>
#include <string.h>

#include "sampler/grow.h"

static struct mp_timed *at(const struct mp_time_queue *q, size_t i)
{
	return (struct mp_timed *)((char *)q->items + i * q->item_bytes);
}

bool mp_time_queue_push(struct mp_time_queue *q, const void *item)
{
	if (q->n == q->max || !mp_grow(&q->items, &q->room, q->n + 1, q->item_bytes))
		return false;
	struct mp_timed *t = at(q, q->n);
	memcpy(t, item, q->item_bytes);
	t->order = q->pushed++;
	q->is_unordered |= q->n && at(q, q->n - 1)->t_ns > t->t_ns;
	q->n++;
	return true;
}

static int by_time(const void *a, const void *b)
{
	const struct mp_timed *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int mp_time_queue_apply(
    struct mp_time_queue *q, int64_t before_ns, int (*apply)(void *ctx, const void *item), void *ctx)
{
	size_t done = 0;
	int ret = 0;

	if (q->is_unordered)
		qsort(q->items, q->n, q->item_bytes, by_time);
	q->is_unordered = false;
	while (!ret && done < q->n && at(q, done)->t_ns < before_ns)
		ret = apply(ctx, at(q, done++));
	q->n -= done;
	if (done && q->n)
		memmove(q->items, at(q, done), q->n * q->item_bytes);
	return ret;
}

void mp_time_queue_free(struct mp_time_queue *q)
{
	free(q->items);
	q->items = NULL;
	q->n = q->room = 0;
}
