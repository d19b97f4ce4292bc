/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SESSION_FOUND_H
#define MP_ANALYSIS_SESSION_FOUND_H

#include "analysis/report.h"

/*
 * Phases of a recording in which none were told: times in which memory is given out at a constant rate
 * (analysis/stats/segments.h, of the rate's logarithm), each at least 2 s long and a quarter more or less
 * than its neighbours. Of long recordings rates are those of 1,440 equal parts.
 */
struct mp_found_phase {
	int64_t start_ns, end_ns; /* session clock, at the edges of slots; end exclusive */
};

/* *n 0: the rate does not change. The array is the caller's. -EIO, -ENOMEM. */
int mp_find_phases(struct mp_session *s, const struct mp_report_scope *scope, struct mp_found_phase **out,
    size_t *n, struct mp_err *err);

#endif
