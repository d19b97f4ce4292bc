/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_PLACES_H
#define MP_SAMPLER_POOLS_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/pools/event.h"
#include "sampler/stack_table.h"

/*
 * The places in the program that work on pools, by their address, each with one of the stacks that led there:
 * the first that was taken. It waits here until the mappings and unwind tables of its code are known. One
 * thread.
 */
struct mp_pool_places;

/* The stacks stay the caller's. NULL without memory. */
struct mp_pool_places *mp_pool_places_new(struct mp_stack_table *stacks);
void mp_pool_places_free(struct mp_pool_places *p);

/* The number of the event's place; copies its stack if none is known. 0: not told, or one of too many. */
uint32_t mp_pool_places_take(struct mp_pool_places *p, const struct mp_pool_event *e);

uint64_t mp_pool_places_ip(const struct mp_pool_places *p, uint32_t place);
int64_t mp_pool_places_stack(const struct mp_pool_places *p, uint32_t place); /* 0: not known */

/* Has the stacks that wait made known where they can be: all mappings up to `mapped_ns` are known. `is_last`:
 * of the others, what is known of them: the place itself. */
int mp_pool_places_settle(struct mp_pool_places *p, int64_t mapped_ns, bool is_last, struct mp_err *err);

/* Places of too many since it was last asked. */
uint64_t mp_pool_places_lost(struct mp_pool_places *p);

#endif
