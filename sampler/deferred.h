/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DEFERRED_H
#define MP_SAMPLER_DEFERRED_H

#include "sampler/pipeline.h"

/*
 * Kept calls whose stacks wait until it is known what was mapped, and until the unwind tables of their code
 * are built: copies, in the order in which they came, of at most MP_DEFERRED_BYTES. A call may be written to
 * the session before its stack is known: then it has a number there. One thread.
 */
struct mp_deferred;

#define MP_DEFERRED_BYTES (64u << 20)

struct mp_deferred *mp_deferred_new(void); /* NULL without memory */
void mp_deferred_free(struct mp_deferred *d);

size_t mp_deferred_count(const struct mp_deferred *d);

/* When the oldest of those that wait was under way; INT64_MAX: none waits. */
int64_t mp_deferred_oldest_ns(const struct mp_deferred *d);

/* A quarter of the room is taken: what can go should go now. */
bool mp_deferred_is_filling(const struct mp_deferred *d);

/* Copies the call; false when there is no room. */
bool mp_deferred_put(struct mp_deferred *d, const struct mp_call_event *e);

/* Hands all that wait to `take`, oldest first. What it returns true for stays. *call_id: of the call in the
 * session, 0 until `take` sets it. */
typedef bool mp_deferred_fn(void *ctx, const struct mp_call_event *e, int64_t *call_id);
void mp_deferred_each(struct mp_deferred *d, mp_deferred_fn *take, void *ctx);

#endif
