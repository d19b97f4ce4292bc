/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_POOLS_H
#define MP_SAMPLER_POOLS_POOLS_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/pools/event.h"
#include "sampler/pools/function.h"
#include "sampler/stack_table.h"
#include "store/session.h"

/*
 * The accounts of the pools of a recording: from what happened to each of them, in the order of time, how
 * full it was, who held what for how long, and what was wrong. Events come from several buffers and in any
 * order; they wait until all buffers have been read up to a time. One thread.
 *
 * The target decides how many pools, objects, places and events there are: each has a limit, and what goes
 * beyond is counted.
 *
 * An object is out from its get to its put. A put of what is not out changes nothing but the number of puts:
 * it is of an object that was put back already (double), that another pool gave out or that nobody did
 * (foreign), or of one that was taken before the recording (older), which takes the count below zero.
 */
struct mp_pools;

/* Session and stacks stay the caller's. NULL without memory. */
struct mp_pools *mp_pools_new(struct mp_session *session, struct mp_stack_table *stacks);
void mp_pools_free(struct mp_pools *p);

/* The kinds of pools whose functions are probed, which stay the caller's: those of group 1 and on. May
 * be told again when there are more. 0 or -ENOMEM. */
int mp_pools_kinds(struct mp_pools *p, const struct mp_pool_kind *kinds, size_t n);

/* Takes an event; copies what it points to. Unknown kinds are ignored. */
void mp_pools_take(struct mp_pools *p, const struct mp_pool_event *e);

/* Of so many gets and puts of a pool nothing but the number is known, as of `t_ns`: a buffer was full. */
struct mp_pool_lost {
	int64_t t_ns;
	unsigned int group;
	uint64_t pool, gets, puts;
};
void mp_pools_lost(struct mp_pools *p, const struct mp_pool_lost *lost);

/* A slot ends at `t_ns`. Applies, and writes, what is older than the slot: of the rest older companions may
 * still be in a buffer. The first call says when the first slot begins. `mapped_ns`: all mappings of the
 * target up to then are known. */
int mp_pools_commit(struct mp_pools *p, int64_t t_ns, int64_t mapped_ns, struct mp_err *err);

/* Applies all that waits. The last call but free. */
int mp_pools_end(struct mp_pools *p, struct mp_err *err);

/* What limit `which` has left out since it was last asked, and what it is a limit of. NULL: there are only so
 * many limits. */
const char *mp_pools_lost_by(struct mp_pools *p, size_t which, uint64_t *lost);

#endif
