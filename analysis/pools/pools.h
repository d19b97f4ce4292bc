/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_POOLS_POOLS_H
#define MP_ANALYSIS_POOLS_POOLS_H

#include "store/err.h"
#include "store/session.h"

/*
 * Report `pools`: how full each pool was, whether it will run dry, and how large it should be. The courses of
 * pools are read from a session, analysis/forecast/ forecasts and sizes them, and temporary tables
 * (sql/pools/tables.sql) take what comes of it, for the report's sections and the rules
 * sql/advice/pool_*.sql. Single thread.
 */
struct mp_report;
struct mp_report_scope;

/* What the user asks for. All zero: of all pools, at the risk below, over a time as long as the recording. */
struct mp_pool_options {
	const char *pool; /* a name, or a pattern with * ? []; NULL: all */
	double risk;      /* of running dry in a session: below 1 */
	int64_t horizon_ns;
};
/* Once in four years of trading days. A recording of a day tells little of what is much rarer. */
#define MP_POOL_RISK 1e-3

/* `text` above 0 and below 1: 1e-6. -EINVAL. */
int mp_pool_parse_risk(const char *text, double *risk, struct mp_err *err);

/* The report of single pools, in place of that of all, for options with a pool. */
extern const struct mp_report mp_report_pool;

/*
 * For struct mp_report's `fill`: of as many pools as the scope's limit says. -EINVAL for a pool that is not
 * there, with the nearest names; -ENOMEM, -EIO. Called again, it begins anew. About 30 ms a pool, and time in
 * proportion to its slots; of single pools, which are tested against what was known earlier, 150 ms.
 */
int mp_pools_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);
int mp_pool_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* The same for other reports: the tables, empty; and filled, of the pools that matter most. To be called
 * while the session may be written to (PRAGMA query_only=OFF). */
int mp_pools_begin(struct mp_session *s, struct mp_err *err);
int mp_pools_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
