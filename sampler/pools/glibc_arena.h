/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_GLIBC_ARENA_H
#define MP_SAMPLER_POOLS_GLIBC_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What glibc's malloc keeps of an arena (struct malloc_state and heap_info of malloc/malloc.c and
 * malloc/arena.c, the same from 2.31 to 2.41 in 64-bit programs), read in another process, which goes on
 * meanwhile and may be hostile. No symbols are needed. Pure: memory comes by a callback. One thread.
 */

/* Memory of the process: reads up to `n` bytes from `addr` on. Returns how many there were, 0 for none. */
struct mp_memory {
	size_t (*read)(void *ctx, uint64_t addr, void *buf, size_t n);
	void *ctx;
};

bool mp_memory_all(const struct mp_memory *m, uint64_t addr, void *buf, size_t n);

#define MP_GLIBC_FASTBINS 10
#define MP_GLIBC_MIN      32 /* bytes: the smallest chunk */

/* Heaps of all arenas but the main one lie at multiples of this. */
#define MP_GLIBC_HEAP_MAX (64ULL << 20)

struct mp_glibc_arena {
	uint64_t address; /* of its malloc_state */
	bool is_main;     /* which grows by brk */
	uint64_t
	    start; /* the first chunk of the first heap; of the main arena, if all goes well (see below) */
	uint64_t next; /* the next arena's address: a ring */
	uint64_t top;  /* the chunk from which all others are cut; 0: nothing was allocated yet */
	uint64_t system_bytes;
	uint64_t heap_header_bytes; /* before the first chunk of a further heap */
	uint64_t fastbin[MP_GLIBC_FASTBINS];
};

/*
 * The address of the main arena in a copy of the writable data of libc (or of a static program), which lies
 * at `addr`; its top is known to be in [lo, hi). 0: it is not there, or not used yet.
 */
uint64_t mp_glibc_find_main(const void *data, size_t n, uint64_t addr, uint64_t lo, uint64_t hi);

/*
 * Reads the arena that is said to be at `address`. 0, -EFAULT where there is no memory, -EPROTO where there
 * is no arena, -EAGAIN when it changed meanwhile. The main arena's start follows from what it has had of the
 * system: wrong where brk was not to be had and mmap() had to do, which the walk then finds.
 */
int mp_glibc_arena_read(
    const struct mp_memory *m, uint64_t address, bool is_main, struct mp_glibc_arena *out);

/* The heap (of an arena that is not the main one) that holds an address, if it is one of arena `a`: how many
 * bytes of it are in use, 0 for none; and the heap before it, 0 for none. */
uint64_t mp_glibc_heap_bytes(
    const struct mp_memory *m, const struct mp_glibc_arena *a, uint64_t heap, uint64_t *previous);

static inline uint64_t mp_glibc_heap_of(uint64_t addr)
{
	return addr & ~(MP_GLIBC_HEAP_MAX - 1);
}

/* The chunk that a request of so many bytes needs. */
uint64_t mp_glibc_chunk_bytes(uint64_t request);

#endif
