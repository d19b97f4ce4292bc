/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_EXPLAIN_WHY_H
#define MP_ANALYSIS_EXPLAIN_WHY_H

#include "analysis/report.h"
#include "store/session.h"

/*
 * The causes of slow calls, summed: one pass over a session's histograms, kept calls and causes, of which the
 * last two are read side by side in the order of their calls. It fills temporary tables that
 * sql/explain/tables.sql describes, in a time that grows with the session (about 0.3 us for each kept call
 * and each cause, 0.2 us for each row of the histograms) and in bounded memory.
 *
 * The connection's query_only is off while the tables are written. -EIO with SQLite's words, -ENOMEM. Single
 * thread.
 */

/* Makes the tables, all empty, in place of those of an earlier run. */
int mp_why_begin(struct mp_session *s, struct mp_err *err);

/* Writes on, after mp_why_end(), into the tables that are there. */
int mp_why_resume(struct mp_session *s, struct mp_err *err);

/* why_tail. */
int mp_why_find_tail(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* why_total, why_cell, why_detail, why_size, and the `top` slowest calls into why_call. After
 * mp_why_find_tail(). */
int mp_why_sum(struct mp_session *s, const struct mp_report_scope *scope, size_t top, struct mp_err *err);

/* why_part, for the calls in why_call. */
int mp_why_divide(struct mp_session *s, struct mp_err *err);

/* The session is read-only again. To be called in any case. */
void mp_why_end(struct mp_session *s);

#endif
