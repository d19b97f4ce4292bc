/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_WANTS_H
#define MP_SAMPLER_PERF_WANTS_H

#include "sampler/perf/plane.h"

/* The events that a user asks for, in the order of event_id. Zero-initialized. */
struct mp_wants {
	struct mp_perf_want all[MP_PERF_WANTS_MAX];
	size_t n;
	int groups;
};

/*
 * Adds what an option says: names apart by commas, {A,B,...} for a group, or, of what is counted, "default".
 * Of the default what this machine has not got is left out. -EINVAL and -ENOENT as mp_event_resolve();
 * -E2BIG.
 */
int mp_wants_add(struct mp_wants *w, const char *text, bool is_sampled, struct mp_err *err);

#endif
