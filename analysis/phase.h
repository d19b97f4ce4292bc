/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PHASE_H
#define MP_ANALYSIS_PHASE_H

#include <stddef.h>
#include <stdint.h>

#include "store/session.h"

/*
 * When a phase of the trading session was (v_phase), by its name; of one that came several times, NAME#2 is
 * the second time. Session clock; `end_ns` is exclusive, INT64_MAX of the last one. -EINVAL, with the names
 * that there are, for one that is not known, and for one that came several times and is not told which; -EIO.
 */
int mp_phase_find(
    struct mp_session *s, const char *name, int64_t *start_ns, int64_t *end_ns, struct mp_err *err);

/*
 * Phases may lie in one another and overlap. For what is told by phase as if there were one at a time, it is
 * the innermost: of those that are on the one that began last, of several of the same start the one that ends
 * first. `in` are n phases, in any order, which it sorts; `out` has room for 2n, and gets their parts in
 * time, one after the other. Returns how many; -ENOMEM.
 */
struct mp_phase_part {
	int64_t start_ns, end_ns; /* end_ns INT64_MAX: it does not end */
	int64_t id;
};
ptrdiff_t mp_phase_innermost(struct mp_phase_part *in, size_t n, struct mp_phase_part *out);

#endif
