/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_SLOW_PROBES_H
#define MP_SAMPLER_SLOW_PROBES_H

#include "sampler/probe.h"
#include "sampler/slow_path.h"

/*
 * The slow paths of a target's allocators, as probes: for each file with probed functions of the family what
 * sampler/slow_path.h finds in it. One thread.
 */
struct mp_slow_probes {
	struct mp_probe *probes; /* `slow` is the index, and stays what it is */
	size_t n;
	unsigned int ops[MP_BPF_SLOW_FUNCTIONS]; /* of each: 1 << enum mp_op, on whose behalf it may run */
	bool is_dropped[MP_BPF_SLOW_FUNCTIONS];  /* not to be attached */
	struct mp_bpf_slow_caller callers[MP_BPF_SLOW_CALLERS]; /* addresses in the target */
	size_t n_callers;
	unsigned int ops_told; /* 1 << enum mp_op: whose fast path can be told from the slow one */
	bool is_cut;           /* there were more places than fit */

	struct mp_slow_module *modules;
	size_t n_modules;
};

/* -ENOMEM. What has no slow path that can be told apart is no error: it is not in `ops_told`. */
int mp_slow_probes_find(const struct mp_target *t, const struct mp_probe_set *family,
    struct mp_slow_probes *out, struct mp_err *err);

/* The probe at `i` is too dear: it is dropped, and what its function calls comes in its place, for `op`.
 * -ENOENT where there is no such thing. */
int mp_slow_probes_deeper(struct mp_slow_probes *s, size_t i, unsigned int op);

void mp_slow_probes_free(struct mp_slow_probes *s);

#endif
