/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SPAN_H
#define MP_SAMPLER_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/place.h"
#include "sampler/target.h"
#include "store/err.h"

/*
 * Functions whose calls are spans, from entry to return: which of a target's are meant, and where their
 * probes go.
 *
 * Their ends are probed one by one, at each `ret` and each jump to another function. A return probe would be
 * simpler and cheaper, but it puts another return address on the stack: a C++ exception, a Rust panic,
 * pthread_exit and a coroutine that goes on elsewhere cannot bear that, and the process would end. Probes on
 * instructions change nothing on the stack. A call that is left otherwise is no span, and counted.
 */
#define MP_SPANS_MAX     64 /* functions */
#define MP_SPAN_ENDS_MAX MP_FUNCTION_ENDS_MAX
#define MP_SPAN_NAME_MAX 128

struct mp_span_function {
	char name[MP_SPAN_NAME_MAX]; /* demangled, without parameters */
	char module[4096];           /* path as the target sees it */
	char open_path[4200];        /* as in struct mp_probe */
	uint64_t entry;              /* file offset */
	unsigned int skipped_bytes;  /* from the function's entry to it */
	bool is_stepped;             /* as in struct mp_probe */
	bool ends_in_jump;           /* a span of it may end where another function goes on in its place */
	uint64_t ends[MP_SPAN_ENDS_MAX]; /* file offsets */
	size_t n_ends;
};

struct mp_span_set {
	struct mp_span_function *functions; /* those of a file stand together */
	size_t n;
	char left_out[512]; /* functions that a glob matches and that cannot be followed: for people; or empty
			     */
};

/*
 * Finds the functions that one of the globs (fnmatch(3)) matches, by their demangled name without parameters
 * or by that of the symbol: those of the program, or where it has none, of the libraries. What a glob with
 * wildcards matches and cannot be followed is left out. Errors, with a text for people: -ENOENT for a glob
 * that matches none; -E2BIG for more than MP_SPANS_MAX in all; -ENOTSUP for a function that is named and
 * cannot be followed: of Go, whose stacks move; one whose code may have
 * data in it; one that never returns.
 */
int mp_span_resolve(const struct mp_target *t, const char *const *globs, size_t n_globs,
    struct mp_span_set *out, struct mp_err *err);
void mp_span_set_free(struct mp_span_set *set);

#endif
