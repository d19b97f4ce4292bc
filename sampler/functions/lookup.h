/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_FUNCTIONS_LOOKUP_H
#define MP_SAMPLER_FUNCTIONS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/table.h"
#include "sampler/functions/text.h"
#include "sampler/target.h"
#include "store/err.h"

/*
 * What a function's text means in a target. Modules are opened as they are looked into, and stay open, so
 * that what was found can be looked at, until mp_function_lookup_close(). One thread.
 */
#define MP_FUNCTION_UNNAMED_MAX 64

struct mp_function_lookup {
	const struct mp_target *target;
	struct mp_function_module {
		enum { UNOPENED, OPEN, UNREADABLE } state;
		struct mp_function_table table;
	} * modules; /* beside the target's */
	/* Functions without a symbol. */
	struct mp_function_symbol *unnamed[MP_FUNCTION_UNNAMED_MAX];
	size_t n_unnamed;
};

/* Which modules are looked into: those that are chosen, or, when `chosen` is NULL, the program, and where
 * nothing is found there, the libraries. */
struct mp_function_where {
	const bool *chosen; /* by module of the target */
	char text[256];     /* "matching_engine": for people */
};

struct mp_function_found {
	const struct mp_function_table *table;
	const struct mp_function_symbol *function;
};

/* A place of a USDT probe. */
struct mp_usdt_place {
	const struct mp_function_table *table;
	uint64_t entry, semaphore; /* file offsets; no semaphore: 0 */
	char args[1024];           /* of its note */
};

#define MP_FUNCTION_FOUND_MAX 257 /* one more than functions that may be followed */

int mp_function_lookup_open(const struct mp_target *t, struct mp_function_lookup *out, struct mp_err *err);
void mp_function_lookup_close(struct mp_function_lookup *l);

/* The functions of a module of the target, by its index. NULL: it cannot be read. */
const struct mp_function_table *mp_function_lookup_table(struct mp_function_lookup *l, size_t module);

/*
 * The functions of a name, and of its parameters where they are given: first those that are called exactly
 * so, by their symbol or demangled, with template arguments or shortened; where there are none, those that
 * match it as a glob. Clones of which the compiler has changed the arguments are none. Of the variants of one
 * constructor or destructor those that only pass on to another one are left out. Of virtual functions,
 * and of pointers, what the tables in the target lead to.
 *
 * Errors, as half a sentence: -ENOENT none, with the nearest names; -EINVAL several that differ in their
 * parameters, or are in several libraries; -ENOTSUP only changed clones; -E2BIG; -ENOMEM.
 */
int mp_function_find(struct mp_function_lookup *l, const struct mp_function_where *where,
    const struct mp_function_text *text, struct mp_function_found out[static MP_FUNCTION_FOUND_MAX],
    size_t *n, struct mp_err *err);

/* The places of a USDT probe; the caller frees *out. Errors likewise. */
int mp_function_find_probes(struct mp_function_lookup *l, const struct mp_function_where *where,
    const struct mp_function_text *text, struct mp_usdt_place **out, size_t *n, struct mp_err *err);

/* The address in the target of a variable of a module; of one that a library exports, of the program's copy
 * where it has one. -ENOENT with the nearest names. */
int mp_function_find_variable(struct mp_function_lookup *l, const struct mp_function_table *table,
    const char *name, uint64_t *address, struct mp_err *err);

#endif
