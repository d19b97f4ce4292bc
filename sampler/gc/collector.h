/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_COLLECTOR_H
#define MP_SAMPLER_GC_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/gc/event.h"
#include "sampler/gc/points.h"
#include "store/append_gc.h"
#include "store/session.h"

/*
 * Makes collections of what points tell, in the order of time: what began and ended in a thread, between
 * which moments all threads stood still for it, what kind it was, and how much memory there was before and
 * after. Rows go to the session. One thread.
 *
 * The target decides what it tells: threads, pools and texts beyond a limit are left out, and counted.
 */
struct mp_gc;

#define MP_GC_POOLS_MAX 16 /* of a runtime */

struct mp_gc_pool {
	char name[MP_GC_NAME_BYTES];
	int64_t used_before, used_after, committed, max; /* bytes; < 0: not told */
};

/* A collection is over. `pools` as far as they were told of it. */
struct mp_gc_collected {
	size_t runtime;
	const struct mp_gc_row *row;
	uint64_t allocated; /* as of its beginning */
	const struct mp_gc_pool *pools;
	size_t n_pools;
};

struct mp_gc_listener {
	void (*collected)(void *ctx, const struct mp_gc_collected *c);
	void *ctx;
};

/* The session stays the caller's. NULL without memory. */
struct mp_gc *mp_gc_new(struct mp_session *session);
void mp_gc_free(struct mp_gc *g);

/* Whose points tell; stays the caller's, and may grow at its end. */
void mp_gc_follow(struct mp_gc *g, const struct mp_gc_set *set, const struct mp_gc_listener *listener);

void mp_gc_take(struct mp_gc *g, const struct mp_gc_event *e);

/* All that was told before `t_ns` has been handed in: it is applied. */
int mp_gc_settle(struct mp_gc *g, int64_t t_ns, struct mp_err *err);

/* The last call but free: applies the rest. What has not ended is no collection. */
int mp_gc_end(struct mp_gc *g, struct mp_err *err);

/* As mp_pools_lost_by(). */
const char *mp_gc_lost_by(struct mp_gc *g, size_t which, uint64_t *lost);

#endif
