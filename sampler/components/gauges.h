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

/*
 * Gauges that the program tells itself (MPSAMPLE_GAUGE): the last value of each. The target decides how many
 * there are: what goes beyond is left out, and counted.
 */
#define MP_TOLD_GAUGES_MAX 64

struct mp_told_gauges {
	struct mp_told_gauge {
		char name[48]; /* the promise of mpsample.h */
		int64_t value;
		int64_t said, said_ns; /* as in struct mp_gauge */
	} all[MP_TOLD_GAUGES_MAX];
	size_t n;
	uint64_t lost; /* told of others */
};

/* NULL: the name could not be read. */
void mp_told_gauge(struct mp_told_gauges *set, const char *name, int64_t value);

/* Writes them as mp_gauges_step() does, but for those that are in `read`, too. */
int mp_told_gauges_step(struct mp_told_gauges *set, const struct mp_gauge_set *read, struct mp_session *s,
    int64_t now_ns, struct mp_err *err);

#endif
