/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_JITTER_JITTER_H
#define MP_ANALYSIS_JITTER_JITTER_H

#include "analysis/report.h"

/*
 * The figures of report jitter, in one pass over `latency` and one over `call`, put into temporary tables
 * that its sections (sql/reports/jitter*.sql) read. NULL is not known.
 *
 *   jitter_spread      what calls come to, as struct mp_spread says it: kind, key, op_id, rows, calls,
 * p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, p99999_ns, max_ns, mean_ns, stddev_ns kind 'op'        all of an
 * operation; key 0 'size'      of a size class, the key 'slot'      of a slot, of which the key is the start
 *          'phase'     of a phase, the key, as in jitter_phase; NULL: slots in none. A slot is of the phase
 * in which it starts 'thread'    of a thread, the key is its tid; 0: all threads beyond the first thousands.
 * Estimated from kept rows: `rows`, which others do not have jitter_succession  op_id, masd_ns, gap_cv: as
 * struct mp_succession jitter_quantile    op_id, tail (of 100,000), dur_ns, beyond_calls, and with 95 %
 * confidence lo_ns, hi_ns, the outer ends of buckets jitter_step        op_id, lo_ns, hi_ns, calls, bits (of
 * `calls`): all powers of two from the fastest call to the slowest jitter_phase       phase (a number), name,
 * start_ns (of the first time), slots
 *
 * For struct mp_report's `fill`. -ENOMEM, -EIO. Called again, it begins anew. Memory: some 35 MB with as many
 * threads as a process usually has, at most 200 MB.
 */
int mp_jitter_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
