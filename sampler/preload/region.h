/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_REGION_H
#define MP_PRELOAD_REGION_H

/* The process's shared memory (shared.h): made once, left behind in a forked child. */
#include <stdbool.h>
#include <sys/types.h>

#include "sampler/preload/record.h"

/* -fvisibility speaks of definitions only: without this each access would look an address up first. */
#pragma GCC visibility push(hidden)

/* One whose word says dormant, for where there is no other. */
extern struct mp_region mp_no_region;

/* Never NULL: mp_no_region before it is made, and where it cannot be. */
extern struct mp_region *mp_region;

/*
 * All ones in the process that made the region, all zeros in any child of its, also in one that the C library
 * knows nothing of (clone, fork by system call): the page is wiped by the kernel. Without this such a child
 * would write into its parent's rings.
 */
#ifdef __x86_64__
#define MP_PAGE_BYTES 4096
#else
#define MP_PAGE_BYTES 65536 /* the largest there is */
#endif

struct mp_fork_guard {
	uint32_t mask;
} __attribute__((aligned(MP_PAGE_BYTES)));

extern struct mp_fork_guard mp_fork_guard;

#pragma GCC visibility pop

/* What a call is recorded under; dormant in such a child. */
MP_INLINE uint32_t mp_region_word(void)
{
	return mp_load(&__atomic_load_n(&mp_region, __ATOMIC_RELAXED)->word) & mp_load(&mp_fork_guard.mask);
}

enum mp_region_state { MP_REGION_UNMADE, MP_REGION_MAKING, MP_REGION_MADE, MP_REGION_IMPOSSIBLE };
enum mp_region_state mp_region_state(void);

/* Where it is unmade; what came of it. MAKING: another thread has come first, and is at it now. */
enum mp_region_state mp_region_make(void);

/* A slot for the calling thread, its memory there and writable, its owner set; or NULL when all are taken. */
struct mp_slot *mp_region_claim(pid_t tid);
/* The slot may be another thread's from now on. What it holds stays. */
void mp_region_release(struct mp_slot *s);

/* The index of a name in the region's table; MP_NAME_NONE when the table is full. Wait-free, any thread. */
#define MP_NAME_NONE 0xffffu
uint32_t mp_region_name(const char *text);

/* In a forked child: lets go of the parent's region, and makes one of its own where that was asked for
 * (MPSAMPLE_FOLLOW_FORKS=1). `own`: the calling thread's slot, or NULL. */
void mp_region_in_child(struct mp_slot *own);

#endif
