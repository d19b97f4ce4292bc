/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_RESOLVE_H
#define MP_SAMPLER_POOLS_RESOLVE_H

/* What resolve.c, which goes through files and their sections, and function.c, which finds the functions of a
 * section, share. One thread; errors go to `err` of the resolver. */
#include "sampler/functions/lookup.h"
#include "sampler/pools/file.h"
#include "sampler/pools/function.h"
#include "sampler/pools/profile.h"

struct resolver {
	const struct mp_target *target;
	struct mp_function_lookup lookup;
	struct mp_pool_set *out;
	size_t room;
	bool *chosen; /* room for struct mp_function_where */
	struct mp_err *err;
};

/* A section that is resolved. */
struct section {
	struct resolver *r;
	const struct mp_pool_section *text;
	const struct mp_pool_profile *profile; /* NULL: of the user's file */
	const char *source;
	size_t kind;
	struct mp_function_where where;
	bool wants_latency, null_is_empty, exceptions_never, by_size;
	const struct mp_pool_entry *capacity, *object_bytes, *name; /* where functions do not say them */
	size_t with_pool, without_pool; /* functions that say which pool, and not */
	/* One that says which object, one that says how many, and one of the latter that says no pool. */
	const struct mp_pool_entry *with_ptr, *with_count, *count_alone;
	const struct mp_pool_entry *without; /* one of the latter */
};

/* A line for people (mp_pool_set.notes). */
void resolver_note(struct resolver *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether the text of an entry is right, and what it says: read before any function is looked for. */
int section_check_function(struct section *s, const struct mp_pool_entry *e);

/* Finds the functions that an entry names, and adds them to the resolver's set. */
int section_resolve_function(struct section *s, const struct mp_pool_entry *e);

#endif
