/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_CACHE_CACHE_H
#define MP_ANALYSIS_CACHE_CACHE_H

#include "analysis/report.h"

/*
 * Which data misses the cache, and who allocated it: the samples of perf events (v_sample) in one pass, put
 * as sums into the temporary tables of sql/cache/tables.sql, which report `cache` and the rules
 * sql/advice/cache_*.sql read. Single thread.
 */

/* For struct mp_report's `fill`. -ENOMEM, -EIO. Called again, it begins anew. Memory: a few MB with as much
 * data as a process usually has, at most some 300 MB; what is beyond is counted, and said. */
int mp_cache_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* The tables, empty; to be called while the session may be written to (PRAGMA query_only=OFF). */
int mp_cache_begin(struct mp_session *s, struct mp_err *err);

/* Fills them: likewise. */
int mp_cache_sum(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
