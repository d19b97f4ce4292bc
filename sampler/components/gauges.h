/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_COMPONENTS_GAUGES_H
#define MP_SAMPLER_COMPONENTS_GAUGES_H

#include "sampler/components/rules.h"
#include "sampler/functions/fetch.h"
#include "sampler/target.h"
#include "store/session.h"

/*
 * Gauges of a program: variables of it that are read from outside while it runs, which costs it nothing
 * (`[gauge NAME]`, sampler/components/rules.h). One thread.
 */
struct mp_gauge_set {
	struct mp_gauge {
		char name[MP_COMPONENT_NAME_BYTES];
		struct mp_fetch value;
		bool is_signed;
		uint64_t said;   /* as it was last written, */
		int64_t said_ns; /* then; 0: not yet */
	} all[MP_GAUGES_MAX];
	size_t n;
};

/* Finds the variables in the target. -EINVAL, -ENOENT with `FILE:LINE: ...` for one that is not there. */
int mp_gauges_resolve(const struct mp_target *t, const struct mp_component_rules *rules,
    struct mp_gauge_set *out, struct mp_err *err);

/* Reads all of them, and writes what can be read, and has changed or is a second old, as rows of v_gauge. */
int mp_gauges_step(struct mp_gauge_set *set, const struct mp_target *t, struct mp_session *s, int64_t now_ns,
    struct mp_err *err);

#endif
