/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PROFILE_H
#define MP_SAMPLER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"
#include "store/op.h"

/*
 * Allocators as data (sampler/profiles/ *.ini, carried in the binary): which functions make up the allocation
 * family, how an allocator is recognised, and which functions allocate on behalf of their caller. Immutable
 * once loaded.
 */
struct mp_allocator {
	char name[32];
	char about[96];
	char *modules; /* globs on the file name, separated by spaces */
	char *symbols; /* one of these defined in a module makes it this allocator (static and renamed builds)
			*/
	char *prefixes; /* the family also exists under these prefixes: "je_" */
	bool uncovered; /* recognised so that we can say that its allocations are not seen, no more */
};

struct mp_profiles {
	char *family[MP_OP_COUNT]; /* function names of each operation, separated by spaces */
	char *wrapper_functions;   /* globs on demangled names: allocate on behalf of their caller */
	char *wrapper_modules;     /* globs on file names */
	struct mp_allocator *allocators;
	size_t n_allocators;
};

int mp_profiles_load(struct mp_profiles *out, struct mp_err *err);
void mp_profiles_free(struct mp_profiles *p);

/* Does any of the space-separated globs match? */
bool mp_profile_glob(const char *globs, const char *name);

/* Calls `fn` with each word of a space-separated list; stops when it returns true, and returns that. */
bool mp_profile_each_word(const char *words, bool (*fn)(void *ctx, const char *word), void *ctx);

/* For struct mp_naming: is this frame a wrapper around the allocator? `ctx` is the mp_profiles. */
bool mp_profile_is_wrapper(void *ctx, const char *function, const char *module);

const char *mp_op_name(unsigned int op);

/* Which of an operation's arguments are its size and the block handed in: masks of MP_ARG. None of what is no
 * operation. */
struct mp_op_args {
	unsigned int size, ptr;
};
struct mp_op_args mp_op_args(unsigned int op);

#endif
