/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SLOW_PATH_H
#define MP_SAMPLER_SLOW_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/elf/elf.h"
#include "symbolize/unwind/cfi.h"

/*
 * The slow paths of an allocator: what its entry points call, or jump to, when the thread's cache cannot
 * serve a call. Allocators keep everything else of the fast path inside the entry point (glibc since 2.26,
 * jemalloc 5, tcmalloc 2, mimalloc 2), so probes on these functions leave it alone. Found by decoding, so
 * that no names are needed.
 *
 * Whether an entry point has a fast path can be seen: it can return without a call. Where it cannot (glibc's
 * free always calls _int_free), one of the functions that it calls may, and is taken as a part of it. Calls
 * of other files' functions (memset) are on any path.
 *
 * Only where the call frame information swears that the return address is on top of the stack is a function
 * taken: there a return probe is right.
 */
#define MP_SLOW_FUNCTIONS_MAX 64 /* of one module */
#define MP_SLOW_CALLERS_MAX   48

/* Where an operation's code is: a slow function that returns into it was called for that operation. */
struct mp_slow_caller {
	uint64_t vaddr, size;
	unsigned int op; /* enum mp_op */
};

struct mp_slow_function {
	uint64_t vaddr, size;
	char name[128];   /* "" where the file has none for it */
	int op_by_jump;   /* the operation that comes here by a jump, and so returns elsewhere, of several the
			     first in store/op.h; -1: none does */
	unsigned int ops; /* 1 << enum mp_op: on whose behalf it may run */
	unsigned int size_arg, ptr_arg; /* which of its arguments, 1 to 4, are the size and the block to be
					   freed; 0: not told */
};

struct mp_slow_path {
	struct mp_slow_function functions[MP_SLOW_FUNCTIONS_MAX];
	size_t n;
	struct mp_slow_caller callers[MP_SLOW_CALLERS_MAX];
	size_t n_callers;
	unsigned int ops; /* 1 << enum mp_op: whose fast path can be told from the slow one */
	bool is_cut;      /* there were more */
};

struct mp_slow_file {
	const struct mp_elf *elf;
	const struct mp_cfi *cfi;
	bool (*is_entry)(void *ctx, uint64_t vaddr);
	void *ctx;
};

/*
 * Adds the slow paths of entry points, functions of `file`. `cfi` is the file's. Families call each other
 * (calloc, malloc): what is an entry point itself, by `is_entry`, is left out. Operations whose fast path
 * could be told are in `ops`; of others the functions that they call are there all the same.
 */
void mp_slow_path_find(
    struct mp_slow_path *s, const struct mp_slow_file *file, const struct mp_slow_caller *entries, size_t n);

/* The function at `i` is too dear: it is taken out, and what it calls comes in its place, for `op`. -ENOENT:
 * nothing does. */
int mp_slow_path_deeper(struct mp_slow_path *s, const struct mp_slow_file *file, size_t i, unsigned int op);

#endif
