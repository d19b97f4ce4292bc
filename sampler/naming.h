/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_NAMING_H
#define MP_SAMPLER_NAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session.h"
#include "symbolize/symbolize.h"

/*
 * Names the frames of a session, and finds the site of each stack: when a recording ends, and again whenever
 * better files are at hand (mpsample symbolize). A name from a better source replaces an older one, never the
 * other way round. One thread.
 */
struct mp_naming {
	struct mp_session *session;
	struct mp_symbolizer *symbolizer;
	/* By module_id of the session: the symbolizer's number of the mapping. NULL: they are the same. */
	const uint32_t *numbers;
	size_t n_numbers;
	bool jit_only; /* only what no file will tell later: code of JIT compilers */
	/* Functions and modules that allocate on behalf of their caller: a stack's site is its first function
	 * that is none. */
	bool (*is_wrapper)(void *ctx, const char *function, const char *module);
	void *ctx;
};

struct mp_naming_totals {
	uint64_t frames, named, with_lines; /* in the session now */
	uint64_t better;                    /* that have a better name than before */
};

int mp_naming_run(const struct mp_naming *n, struct mp_naming_totals *totals, struct mp_err *err);

#endif
