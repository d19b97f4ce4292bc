/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_BLOCKS_BLOCKS_H
#define MP_SAMPLER_BLOCKS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/session.h"

/*
 * Followed blocks, from their birth to their end, as rows of `block`. Births and deaths are told in any
 * order, each with its time: a block is alive from the return of the call that allocates it to the entry of
 * the one that releases it, so an address that is used again at once is never in two. mp_blocks_settle() puts
 * those up to a time in order.
 *
 * Which blocks are followed is drawn where they are allocated, or here (mp_blocks_options.period_bytes), by
 * their size (mp_block_chance()). When more
 * than `max_alive` are, the period is raised and those that are there are thinned: each stays with the
 * probability by which the chance of its like falls, and stands for so many more. A weight is thus 1 by the
 * probability to be followed to the end, and sums of weights times anything are unbiased (Horvitz and
 * Thompson, JASA 47, 1952; drawn independently, var = sum over the drawn of w (w - 1) y^2).
 *
 * One thread. Failures are of the session.
 */
struct mp_blocks;

struct mp_blocks_options {
	bool all; /* every call is told: what is released and not known here is older than that */
	uint64_t period_bytes; /* with `all`: what blocks are drawn with, here; 0: each is followed */
	size_t max_alive;      /* at least 2 */
	uint64_t seed;
	/* Where the target keeps a set of its live followed blocks: whether an address is in it, and to take
	 * it out. So an end that nobody told is seen. NULL: there is none. */
	bool (*is_alive)(void *ctx, uint64_t addr);
	void (*forget)(void *ctx, uint64_t addr);
	void *ctx;
};

/* NULL without memory. The session stays the caller's. */
struct mp_blocks *mp_blocks_new(struct mp_session *session, const struct mp_blocks_options *o);
void mp_blocks_free(struct mp_blocks *b);

/* The probability that a block is followed: 1 - exp(-(size + 16) / period); 1 with period 0. Pure. */
double mp_block_chance(uint64_t size_bytes, uint64_t period_bytes);

struct mp_block_birth {
	uint64_t addr, size_bytes, period_bytes;
	int64_t t_ns; /* the call returned */
	pid_t tid;
	unsigned int op;
	int64_t stack_id;   /* 0: none */
	unsigned int scope; /* as in struct mp_call_event */
};

/* Why a block ends. Stored in sessions. */
enum mp_block_end {
	MP_BLOCK_ALIVE, /* it does not */
	MP_BLOCK_FREED, /* released */
	MP_BLOCK_MOVED, /* realloc made another of it, at the same address or elsewhere */
	MP_BLOCK_LOST,  /* nobody told; until died_ns it was known to be alive */
};

void mp_blocks_born(struct mp_blocks *b, const struct mp_block_birth *birth);
void mp_blocks_died(struct mp_blocks *b, uint64_t addr, int64_t t_ns, pid_t tid, bool is_moved);

/* All that lived at that time is gone, as by an exec, or is not known any more. */
void mp_blocks_all_gone(struct mp_blocks *b, int64_t t_ns);

/* All births and deaths up to then have been told. INT64_MAX: nothing more comes. */
int mp_blocks_settle(struct mp_blocks *b, int64_t up_to_ns, struct mp_err *err);

/* Blocks that are not in the target's set though nobody told their end: those that were not already when it
 * was last asked, and of which nothing has been heard that is younger than that, have ended. */
int mp_blocks_look(struct mp_blocks *b, int64_t now_ns, struct mp_err *err);

/* Writes what has been born since the last time and is alive. Before a commit. */
int mp_blocks_write(struct mp_blocks *b, struct mp_err *err);

/* Not with less than this period are blocks to be drawn; it only grows. 0: with any. */
uint64_t mp_blocks_period(const struct mp_blocks *b);

/* All exact. `lost`: ends that nobody told; no_room: births and deaths that found no memory. */
struct mp_blocks_counts {
	uint64_t born, died, older, lost, no_room;
	size_t alive;
};
struct mp_blocks_counts mp_blocks_counts(const struct mp_blocks *b);

#endif
