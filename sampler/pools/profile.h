/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_PROFILE_H
#define MP_SAMPLER_POOLS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "sampler/pools/file.h"
#include "sampler/target.h"
#include "store/err.h"

/*
 * The pools that are known without a line of configuration: sampler/profiles/pool-*.ini, carried in the
 * binary. Beside its sections [pool NAME], in which `module` is by default what the profile is for, each has
 *
 *     [profile]
 *     name     = glib
 *     about    = what it is, for people
 *     module   = libglib-2.0.so.0*      ; globs of file names: it is used where one of them is mapped
 *     versions = libglib-2.0.so.0.7[0-5]* ; globs of file names that it knows, by spaces; without: all
 *     variable = g_slice_config         ; where none is mapped, the program is looked into if it has this
 *     known    = what it does not see, for people
 *
 * `module` may be repeated. What is linked into the program has no version.
 *
 * One file after the other is read; none is kept.
 */
struct mp_pool_profile {
	struct mp_pool_file file;
	const char *name, *about, *versions, *variable, *known; /* of the file; "" where it does not say */
	char modules[256];                                      /* its globs, by spaces */

	/* What mp_pool_profile_match() found. */
	const bool *chosen;        /* by module of the target */
	char where[256];           /* the file names of those */
	char unknown_version[256]; /* the file name of one that it does not know, or empty */
};

/* The `i`th; -ENOENT behind the last one, without a text. */
int mp_pool_profile_load(size_t i, struct mp_pool_profile *out, struct mp_err *err);
void mp_pool_profile_free(struct mp_pool_profile *p);

/* Is it used for this target? `chosen` has room for the target's modules, and has to outlive the profile. */
bool mp_pool_profile_match(struct mp_pool_profile *p, const struct mp_target *t, bool *chosen);

#endif
