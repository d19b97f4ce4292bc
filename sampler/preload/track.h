/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_TRACK_H
#define MP_PRELOAD_TRACK_H

/*
 * The set of live blocks that are followed: who allocates one puts its address in, who releases it takes it
 * out, before the allocator may give it to somebody else. So the set is right whatever becomes of the records
 * that tell of births and deaths: a block that is in it is alive, one that is not is gone.
 *
 * Any thread; wait-free: a bounded number of steps, none of which waits. A release of a block that is not
 * followed, which most are not, is one load and one branch.
 */
#include <stdbool.h>

#include "sampler/preload/shared.h"

/* So many followed blocks of a thread double its own period until the mode word changes: ten times as many as
 * the recorder lets be born between two looks, for a period that goes up and down makes weights uneven, and
 * sums of uneven weights vary more. */
#define MP_TRACKED_TO_DOUBLE 512

/*
 * What a block counts for in drawing: its size and about what the allocator itself keeps of it, so that a
 * block of no bytes can be followed, too. Of `period` bytes on average one is a point (record.h:
 * mp_draw_tracked()): a block is followed with probability 1 - exp(-bytes / period), as in tcmalloc
 * (docs/sampling.md of google/tcmalloc) and jemalloc (doc_internal/PROFILING_INTERNALS.md).
 */
#define MP_TRACK_OWN_BYTES 16

static inline uint64_t mp_track_bytes(uint64_t size)
{
	return size + MP_TRACK_OWN_BYTES;
}

static inline uint32_t mp_track_hash(uint64_t addr)
{
	return (uint32_t)((addr >> 4) * 0x9e3779b97f4a7c15ULL >> 48);
}

_Static_assert(MP_TRACK_FILTER == 1 << 16, "mp_track_hash()");

/* The bucket of a hash, and where that is full its neighbour. */
static inline uint64_t *mp_track_bucket(struct mp_tracked *t, uint32_t hash, unsigned int which)
{
	return t->addr[(hash >> 6 ^ which) % MP_TRACK_BUCKETS];
}

static inline bool mp_track_swap(uint64_t *entry, uint64_t from, uint64_t to)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED) == from &&
	       __atomic_compare_exchange_n(entry, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline bool mp_track_change(struct mp_tracked *t, uint32_t hash, uint64_t from, uint64_t to)
{
	for (unsigned int which = 0; which < 2; which++)
		for (unsigned int i = 0; i < MP_TRACK_ENTRIES; i++)
			if (mp_track_swap(&mp_track_bucket(t, hash, which)[i], from, to))
				return true;
	return false;
}

/* False: no room. */
static __attribute__((noinline, cold, unused)) bool mp_track_put(struct mp_tracked *t, uint64_t addr)
{
	uint32_t hash = mp_track_hash(addr);

	if (!mp_track_change(t, hash, 0, addr))
		return false;
	__atomic_fetch_add(&t->filter[hash], 1, __ATOMIC_RELAXED);
	return true;
}

/* Whether the block was followed; from now on it is not. */
static __attribute__((noinline, cold, unused)) bool mp_track_take(struct mp_tracked *t, uint64_t addr)
{
	uint32_t hash = mp_track_hash(addr);

	if (!mp_track_change(t, hash, addr, 0))
		return false;
	__atomic_fetch_sub(&t->filter[hash], 1, __ATOMIC_RELAXED);
	return true;
}

/* False: the block is not followed. Else mp_track_take() knows. */
static inline __attribute__((always_inline)) bool mp_track_may_have(const struct mp_tracked *t, uint64_t addr)
{
	return __atomic_load_n(&t->filter[mp_track_hash(addr)], __ATOMIC_RELAXED);
}

static inline bool mp_track_has(struct mp_tracked *t, uint64_t addr)
{
	uint32_t hash = mp_track_hash(addr);

	for (unsigned int which = 0; which < 2; which++)
		for (unsigned int i = 0; i < MP_TRACK_ENTRIES; i++)
			if (__atomic_load_n(&mp_track_bucket(t, hash, which)[i], __ATOMIC_RELAXED) == addr)
				return true;
	return false;
}

/* Of the recorder, while no thread records. */
static inline void mp_track_clear(struct mp_tracked *t)
{
	for (unsigned int b = 0; b < MP_TRACK_BUCKETS; b++)
		for (unsigned int i = 0; i < MP_TRACK_ENTRIES; i++)
			__atomic_store_n(&t->addr[b][i], 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < MP_TRACK_FILTER; i++)
		__atomic_store_n(&t->filter[i], 0, __ATOMIC_RELAXED);
}

#endif
