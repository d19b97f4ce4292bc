/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_EXPLAIN_EXPLAIN_H
#define MP_ANALYSIS_EXPLAIN_EXPLAIN_H

#include "analysis/report.h"

/*
 * Why calls were slow. The reports of `mpsample explain`, to be given to mp_report_run(): they are not in
 * mp_reports[], since they have a command and options of their own.
 */

/*
 * The slowest calls (filter: limit, from_ns, to_ns, tid, op), each with its time divided among causes, and
 * over all slow calls of the range a ranking of causes by site, with the advice that fits:
 *
 *   #5081 at 14.965781 s, me-engine/22927, malloc 40 B: 214.3 us = 180.1 off_cpu (ran: kworker/1:2/61)
 *   + 24.0 syscall:mmap + 3.1 minor_fault (2) + 7.1 unexplained; site client_tag_create
 */
extern const struct mp_report mp_report_explain;

/* All that is known of one call (filter: call_id). -EINVAL if it was not kept. */
extern const struct mp_report mp_report_explain_call;

/*
 * fill() of report `advice`: runs each rule of sql/advice/ and puts what it finds into the temporary table
 * why_advice. A rule is a query that returns rows of
 *
 *   finding   what was seen, in a few words
 *   kind      the cause that it is about, as in v_cause; NULL: of a site, whatever the cause
 *   site      the site that has most of it; NULL: none in particular
 *   evidence  the figures
 *   advice    what to do, at most MP_EMIT_CUT characters: a table shows it whole
 *   weight_ns time in slow calls that it is about; NULL: it is about samples, or pools
 *   share     then, what it is about of all their latency, or of what the pool does, 0 to 1; other rules
 * leave it out
 *
 * or none. It reads the tables of sql/explain/tables.sql; rules cache_* those of sql/cache/tables.sql, pool_*
 * those of sql/pools/tables.sql.
 */
int mp_advice_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
