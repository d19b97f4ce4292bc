/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_GC_GC_H
#define MP_ANALYSIS_GC_GC_H

#include "store/err.h"
#include "store/session.h"

/*
 * Report `gc`: what the garbage collectors in the target did, what that left to the program, what it goes
 * along with, and what to change. What SQL cannot do is computed here and put into temporary tables
 * (sql/gc/tables.sql), for the report's sections and the rules sql/advice/gc_*.sql. Single thread.
 */
struct mp_report_scope;

/* For struct mp_report's `fill`. -ENOMEM, -EIO. Called again, it begins anew. Memory: 16 bytes a pause, and 2
 * MB. */
int mp_gc_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* The same for other reports: the tables, empty; and what v_gc_advice says, which is of the whole recording.
 * To be called while the session may be written to (PRAGMA query_only=OFF). */
int mp_gc_begin(struct mp_session *s, struct mp_err *err);
int mp_gc_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
