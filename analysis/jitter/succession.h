/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_JITTER_SUCCESSION_H
#define MP_ANALYSIS_JITTER_SUCCESSION_H

#include <stddef.h>

#include "analysis/report.h"
#include "analysis/stats/tally.h"

/*
 * What kept calls tell that histograms cannot: which thread a call was of, and how calls follow each other.
 * All in one pass over `call`, in memory that does not grow with the number of rows. One thread at a time.
 *
 * Rows may be stored some time after later ones. They are put in the order of time within a window of half a
 * million rows; a row that comes later than that counts everywhere but in masd_ns and gap_cv.
 */
#define MP_SUCCESSION_OPS     64   /* operations with larger numbers are passed over */
#define MP_SUCCESSION_THREADS 4096 /* pairs of thread and operation: further ones are taken together */

/* Calls of one thread and operation. */
struct mp_succession_thread {
	int64_t tid; /* 0: all threads beyond MP_SUCCESSION_THREADS, together */
	uint32_t op;
	int64_t rows;
	struct mp_tally tally; /* calls are weights: how many the rows stand for */
};

struct mp_succession {
	struct mp_succession_thread *thread; /* in order of their first row */
	size_t n;
	/*
	 * By operation; NAN: too few rows to tell.
	 *
	 * masd_ns: mean absolute difference between a call's duration and that of the next one in its thread.
	 * Where everything was kept it is just that. Else a sample stands for its weight of calls, each of
	 * which is taken to differ from the next as the sample does from the thread's next one, and an
	 * outlier differs twice, from the call before and from the one after, from the sample before it.
	 *
	 * gap_cv: coefficient of variation of the times between the starts of successive outliers, of all
	 * threads. 1 is what independent arrivals at a steady rate have (Poisson); bursts are above, a beat
	 * is below.
	 */
	double masd_ns[MP_SUCCESSION_OPS], gap_cv[MP_SUCCESSION_OPS];
};

/* Reads the kept calls of scope->from_ns to to_ns, of all threads. -ENOMEM, -EIO; `out` is to be freed in any
 * case. */
int mp_succession_read(
    struct mp_session *s, const struct mp_report_scope *scope, struct mp_succession *out, struct mp_err *err);

void mp_succession_free(struct mp_succession *k);

#endif
