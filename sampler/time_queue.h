/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_TIME_QUEUE_H
#define MP_SAMPLER_TIME_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What comes from several buffers, in any order, and is applied in the order of time: items of one size that
 * begin with a struct mp_timed. Those of one time keep the order in which they came. One thread.
 */
struct mp_timed {
	int64_t t_ns;
	uint64_t order; /* set by the queue */
};

struct mp_time_queue {
	size_t item_bytes, max; /* set by the owner; the rest is zero */
	void *items;
	size_t n, room;
	uint64_t pushed;
	bool is_unordered;
};

/* Copies the item; false: there are `max`, or there is no memory. */
bool mp_time_queue_push(struct mp_time_queue *q, const void *item);

/* Hands all that is older than `before_ns` to `apply`, oldest first, and takes it out. Stops at the first
 * failure, and returns that: what it failed at is out, too. */
int mp_time_queue_apply(
    struct mp_time_queue *q, int64_t before_ns, int (*apply)(void *ctx, const void *item), void *ctx);

void mp_time_queue_free(struct mp_time_queue *q);

#endif
