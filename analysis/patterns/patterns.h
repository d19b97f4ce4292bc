/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_PATTERNS_H
#define MP_ANALYSIS_PATTERNS_PATTERNS_H

#include "analysis/report.h"

/*
 * Patterns in the kept calls: rhythm, clusters, sites that changed, sites with two modes, collections of
 * garbage. Loads the calls (analysis/patterns/kept.h), has each looked for, and puts what was found into the
 * temporary tables pattern_rhythm, pattern_cluster, pattern_change, pattern_mode and pattern_gc, which the
 * sections sql/reports/jitter_*.sql read and describe. A `fill` of a report.
 *
 * Memory: below 130 MB, whatever the session. 0 or -errno.
 */
int mp_patterns_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* The same tables, of which only pattern_gc has rows. */
int mp_patterns_fill_gc(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
