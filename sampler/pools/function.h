/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_FUNCTION_H
#define MP_SAMPLER_POOLS_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/fetch.h"
#include "sampler/preload/mpsample.h"
#include "sampler/target.h"
#include "store/err.h"

/*
 * The functions of a target that work on pools: what the user's `--pools FILE` names, and the profiles of
 * pools found in the wild (sampler/profiles/pool-*.ini). Resolved before anything is attached: all of a file
 * or nothing.
 */
#define MP_POOL_NAME_BYTES    48
#define MP_POOL_FUNCTIONS_MAX 256
#define MP_POOL_ENDS_MAX      64 /* of one function */

/* A kind of pool: a section [pool NAME]. Its pools are told apart by the value of `pool`. */
struct mp_pool_kind {
	char name[MP_POOL_NAME_BYTES];
	char source[64];        /* the profile's name, or the user's file as given */
	bool is_builtin;        /* `source` is a profile */
	bool is_one;            /* no function says which pool: there is one */
	bool by_size;           /* pools are told apart by the size of their objects, which `pool` is */
	unsigned int size_step; /* such sizes are rounded up to a multiple; 0: they are not */
	bool returns_on_clear;  /* objects are not put back one by one (arenas): what is out is no leak */
};

/*
 * A function, or a USDT probe, that works on a pool.
 *
 * Arguments are always those of the entry; memory is read there, too, but for what a function leaves behind:
 * all values of a function that creates a pool, and `ptr` of one that gets, are read at its return. A call
 * that failed, as `failure` says, has done nothing; one that gets has found the pool empty.
 */
struct mp_pool_function {
	unsigned int kind; /* enum mpsample_kind: MPSAMPLE_KIND_POOL_* */
	size_t pool_kind;  /* index of its struct mp_pool_kind */
	struct mp_fetch pool, ptr, size, capacity, object_bytes;
	bool counts;          /* `ptr` is how many objects it is of, which are not told one by one */
	struct mp_fetch next; /* `ptr` begins a chain, of which each has the next one's address so far behind
				 its own; or MP_FETCH_NOTHING */
	struct mp_fetch text; /* where the pool's name is in memory, or MP_FETCH_NOTHING */
	bool fails_on_null;   /* a get that gives 0 has found the pool empty (else such a call is ignored) */
	enum mp_function_failure failure; /* by what is returned the call has done nothing */

	char name[128];       /* demangled, as found; of a USDT probe provider:name */
	char module[4096];    /* path as the target sees it */
	char open_path[4200]; /* as in struct mp_probe */
	uint64_t entry;       /* file offset of the probed instruction */
	unsigned int skipped_bytes;
	bool is_stepped;
	bool is_usdt;       /* one place in the code, no return */
	uint64_t semaphore; /* of a USDT probe: file offset of its reference counter; 0: none */

	/* How the return is seen, where it has to be: for a value that is returned, or for the time it took.
	 * A return probe puts another return address on the stack, which an exception cannot pass: only where
	 * none can come. Else each `ret` and tail jump of the function is probed, also those of functions
	 * that it goes on as: an end is that of the call at whose entry the stack pointer was the same. */
	bool wants_return, by_return_probe;
	uint64_t ends[MP_POOL_ENDS_MAX]; /* file offsets */
	size_t n_ends;
};

struct mp_pool_set {
	struct mp_pool_kind *kinds;
	size_t n_kinds;
	struct mp_pool_function *functions; /* those of a file stand together */
	size_t n;
	bool
	    waits; /* for a table of functions that a profile needs, and that the target has not filled yet */
	char notes[1024]; /* profiles that are of another version of a library than the target's, functions
			     left out: lines for people; or empty */
};

/*
 * Finds the functions of `file` (NULL: none) and of the built-in profiles in a target. A section of the
 * user's file that cannot be followed is an error, with file, line, what and why; of a profile it is a note.
 * Errors: -ENOENT no such file or function, -EINVAL not understood, -E2BIG too many, -ENOTSUP cannot be
 * followed, -ENOMEM.
 */
int mp_pool_resolve(const struct mp_target *t, const char *file, struct mp_pool_set *out, struct mp_err *err);
void mp_pool_set_free(struct mp_pool_set *set);

#endif
