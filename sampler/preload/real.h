/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_REAL_H
#define MP_PRELOAD_REAL_H

/*
 * The allocator behind the library: for each interposed function the next definition in the dynamic linker's
 * order (glibc's, or that of another preloaded allocator). Found at the first call of any of them. Any
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "store/op.h"

struct mp_real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*reallocarray)(void *, size_t, size_t);
	void (*free)(void *);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	/* Where two names are one function, as memalign and aligned_alloc in glibc before 2.38, its calls
	 * count for the operation that stands first, as they do for a probe. */
	unsigned int memalign_op;
};

/* Before the first call each entry finds all of them, and then calls the one it stands for. */
extern struct mp_real mp_real;

/* A C++ operator by its mangled name, for a call that returns to `caller`. A program in C may have none until
 * it loads a C++ plugin, and its runtime's is then out of reach of RTLD_NEXT: it is looked up from the
 * caller's library. Ends the process where there is none, as the dynamic linker would have. */
void *mp_real_operator(const char *name, void *caller);

/* Whether `p` was handed out while the allocator was being looked for; such blocks are never freed. */
bool mp_real_is_early(const void *p);

#endif
