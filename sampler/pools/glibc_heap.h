/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_GLIBC_HEAP_H
#define MP_SAMPLER_POOLS_GLIBC_HEAP_H

#include "sampler/latency.h"
#include "sampler/pools/glibc_arena.h"

/*
 * Walks through the chunks of one of glibc's arenas, by their headers: what is free, in which pieces. Pure:
 * memory comes by a callback. The process goes on meanwhile, so that a step may land where no chunk begins
 * any more: then the walk goes back a little and tries again, and gives up after some tries. It bears any
 * memory.
 *
 * A block is free that the program could get: in a bin, at the top, in a fast bin, or in a thread's cache.
 * The last two are marked as used in the heap. Fast bins are followed as lists, MP_GLIBC_FAST_MAX blocks at
 * most: what is beyond counts as used. Blocks in thread caches have a key in them, which glibc has for
 * finding double frees: they are known once a thread's cache was seen with blocks in it, which is in the
 * first look, or in one of the next. (Up to 2.33 each thread has its own, and the caches of 1024 threads are
 * known.)
 *
 *   w = new -> begin -> step ... until it is done or torn -> begin ... -> free
 *
 * A step reads at most 64 KiB, or follows 64 blocks of a list. One thread.
 */
struct mp_glibc_walk;

#define MP_GLIBC_FAST_MAX (1u << 18)

struct mp_heap_figures {
	uint64_t total_bytes; /* of the system */
	uint64_t free_bytes, free_pieces, largest_free_bytes;
	double unfit_bytes; /* of free_bytes, in pieces too small for a request: expected over the mix */
};

enum mp_glibc_step {
	MP_GLIBC_MORE,
	MP_GLIBC_DONE, /* the figures are those of the arena */
	MP_GLIBC_TORN, /* it changed too fast, or is no arena of glibc */
};

/* `m` is copied. NULL without memory. */
struct mp_glibc_walk *mp_glibc_walk_new(const struct mp_memory *m);
void mp_glibc_walk_free(struct mp_glibc_walk *w);

/* `mix` may be of no calls. */
void mp_glibc_walk_begin(
    struct mp_glibc_walk *w, const struct mp_glibc_arena *arena, const struct mp_size_mix *mix);
enum mp_glibc_step mp_glibc_walk_step(struct mp_glibc_walk *w);
struct mp_heap_figures mp_glibc_walk_figures(const struct mp_glibc_walk *w);

/* The process is another program: the keys of thread caches are other ones. */
void mp_glibc_walk_forget(struct mp_glibc_walk *w);

#endif
