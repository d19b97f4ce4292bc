/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_LATENCIES_H
#define MP_ANALYSIS_LATENCIES_H

#include "analysis/report.h"

/*
 * Sums the histograms of all slots that begin in the scope: fills temp.latency_sums(op_id, bucket, calls), of
 * which report summary takes its percentiles. In C, for a GROUP BY sorts millions of rows first, which takes
 * five times as long. -EIO, -ENOMEM.
 */
int mp_latencies_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
