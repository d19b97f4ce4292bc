/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SPAN_H
#define MP_SAMPLER_SPAN_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/target.h"
#include "store/err.h"

/*
 * Functions whose calls are spans, from entry to return: which of a target's are meant, and where their
 * probes go.
 *
 * A return probe puts another return address on the stack, which a C++ exception, a Rust panic or
 * pthread_exit cannot be unwound through: it would end the process. So where the target has an unwinder the
 * ends are probed instead, at each `ret` and each jump to another function. That is dearer, and changes
 * nothing on the stack. A call that is left by an exception is then no span, and counted.
 */
#define MP_SPANS_MAX     64 /* functions */
#define MP_SPAN_ENDS_MAX 64 /* of one function */
#define MP_SPAN_NAME_MAX 128

struct mp_span_function {
	char name[MP_SPAN_NAME_MAX];     /* demangled, without parameters */
	char module[4096];               /* path as the target sees it */
	char open_path[4200];            /* as in struct mp_probe */
	uint64_t entry;                  /* file offset */
	uint64_t ends[MP_SPAN_ENDS_MAX]; /* file offsets */
	size_t n_ends;                   /* 0: a return probe */
};

struct mp_span_set {
	struct mp_span_function *functions; /* those of a file stand together */
	size_t n;
};

/*
 * Finds the functions that one of the globs (fnmatch(3)) matches, by their demangled name without parameters
 * or by that of the symbol. Errors, with a text for people: -ENOENT for a glob that matches none; -E2BIG for
 * more than MP_SPANS_MAX in all; -ENOTSUP for what cannot be followed: functions of Go, whose stacks move,
 * and code that cannot be decoded.
 */
int mp_span_resolve(const struct mp_target *t, const char *const *globs, size_t n_globs,
    struct mp_span_set *out, struct mp_err *err);
void mp_span_set_free(struct mp_span_set *set);

#endif
