/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_EVENT_H
#define MP_SAMPLER_POOLS_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbolize/symbolize.h"

#define MP_POOL_BY_OBJECT UINT64_MAX

/* Something happened to a pool, as a marker or a probed function tells it. */
struct mp_pool_event {
	pid_t tid;
	unsigned int kind; /* enum mpsample_kind: MPSAMPLE_KIND_POOL_* */
	unsigned int
	    group;      /* pools of one address in two groups are two: 0 markers, then the functions' kinds */
	int64_t t_ns;   /* when it was done; of what takes time, its end */
	int64_t dur_ns; /* < 0: not told */
	uint64_t pool;  /* what it is called by; MP_POOL_BY_OBJECT: it is that of the object */
	uint64_t ptr;   /* the object; 0: a get found none */
	bool counts; /* `ptr` is how many objects, of which no more is told; of an empty pool: were asked for
		      */
	uint64_t bytes;                 /* asked for; 0: not told */
	int64_t capacity, object_bytes; /* < 0: not told */
	const char *name;               /* or NULL: not told */
	uint64_t ip; /* the place in the program: a return address, or that of the marker; 0: not told */
	const struct mp_stack_state *stack; /* of that place; NULL: not taken */
	const uint64_t
	    *chain; /* what its frame pointers say, as of a call: return addresses; NULL: not taken */
	size_t n_chain;
};

#endif
