/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_REAL_H
#define MP_PRELOAD_REAL_H

/*
 * The allocator behind the library: for each interposed function the next definition in the dynamic linker's
 * order (glibc's, or that of another preloaded allocator). Found at the first call of any of them. Any
 * thread.
 */
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

/* At the first call an entry finds all of them, and then calls the one it stands for. Hidden, for else each
 * access looked an address up first. */
extern __attribute__((visibility("hidden"))) struct mp_real mp_real;

/* A C++ operator by its mangled name: the next definition, or NULL. Leaves no message for dlerror(). */
void *mp_real_operator(const char *name);
/* That of the library that calls from `caller`. Ends the process where there is none, as the dynamic linker
 * would have. Not to be kept: it may go with that library. */
void *mp_real_operator_of(const char *name, void *caller);

#endif
