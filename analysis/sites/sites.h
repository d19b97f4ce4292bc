/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SITES_H
#define MP_ANALYSIS_SITES_H

#include "analysis/report.h"

/*
 * The sums of report sites: SQLite would sort a million rows by site and duration on disk, which takes it ten
 * times as long as reading them. Fills
 *
 *   temp.sites_name(site_no, site)
 *   temp.sites_sum(site_no, op_id, rows, calls, bytes, time_ns, p50_ns, p99_ns, max_ns)
 *   temp.sites_component(component_id, op_id, rows, calls, bytes, time_ns, max_ns)
 *
 * of the kept calls of the scope, a row for each site and operation; site_no 0 is without a name. Needs 24
 * bytes a row of `call`. 0, -ENOMEM or -EIO.
 */
int mp_sites_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

/* Of calls of one site and operation, weighted: nearest rank. Changes the order of `call`. Pure. */
struct mp_site_call {
	int64_t dur_ns, weight;
	uint32_t group; /* the caller's */
};
struct mp_site_sum {
	int64_t rows, calls, p50_ns, p99_ns, max_ns;
	double time_ns;
};
struct mp_site_sum mp_site_sum(struct mp_site_call *call, size_t n);

#endif
