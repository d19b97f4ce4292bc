/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_HEAP_HEAP_H
#define MP_ANALYSIS_HEAP_HEAP_H

#include "store/err.h"
#include "store/session.h"

/*
 * Report `heap`: what lives, where it was allocated, how long it lives, and whether it grows, from followed
 * blocks. Computed here and put into temporary tables (sql/heap/tables.sql) for the report's sections. Single
 * thread.
 *
 * Growth is looked at in the second half of the time: in the first, what was allocated before the recording,
 * and is not known, is replaced by what is. It is told from a heap that comes and goes by a sign test over
 * MP_HEAP_SEGMENTS equal parts of that half, and from chance in drawing by the standard error of the
 * estimate.
 */
struct mp_report_scope;

#define MP_HEAP_SEGMENTS 16

/* For struct mp_report's `fill`. -ENOMEM, -EIO. Called again, it begins anew. Memory: 64 bytes a block. */
int mp_heap_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
