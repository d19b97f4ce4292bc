/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_IMPACT_IMPACT_H
#define MP_ANALYSIS_IMPACT_IMPACT_H

#include <stddef.h>
#include <stdint.h>

#include "store/err.h"
#include "store/session.h"

/*
 * What memory operations cost the work that the program does: the report `impact`. A span (v_span) is a piece
 * of work; what would it have taken without the page faults in it, without the time off the CPU, had each
 * allocation taken what it usually takes? All is computed span by span, then percentiles are taken anew:
 * percentiles themselves cannot be subtracted.
 *
 * Usual is the median of a call's site and operation, over kept calls by weight. A span knows the time of
 * all its allocation calls, and how many they were, but only some of them are rows. The time of the others is
 * taken apart by the kept calls in spans of the same name: all but one of them took what is usual for calls
 * that last less than half of that time; the one has the rest, and was like a kept call that lasted about as
 * long: of its time, the same part is usual. So delays of calls that are not rows are taken off, while calls
 * that are slow by nature, as their sites are, stay slow. Exact where all calls are rows; else right for the
 * percentiles of many spans, not for each of them. Where a span's allocations are not known, its kept calls
 * alone count: a lower bound of what would be saved. So it is for a single cause at a single site, always.
 *
 * A kept call is in each span of its thread that holds the middle of it: spans may nest, and overlap. What
 * the probes of the uprobe plane add to a span (session key cost_ns, a call) stays in all figures.
 */
struct mp_cost;
struct mp_report_scope;

#define MP_IMPACT_INTERVALS 16

/* What the user adds. All zero: nothing. */
struct mp_impact_options {
	struct mp_cost *cost; /* of being late; NULL: not known */
	/* Spans that were meant to begin at this rate: percentiles corrected for coordinated omission. */
	struct mp_interval {
		const char *name; /* not zero-terminated */
		size_t length;
		int64_t ns;
	} interval[MP_IMPACT_INTERVALS];
	size_t intervals;
};

/* Adds NAME=US. The text is to outlive the options. -EINVAL for any other text, and for a name that is there.
 */
int mp_impact_add_interval(struct mp_impact_options *o, const char *text, struct mp_err *err);

/*
 * Fills temp.impact_* (sql/temp/impact.sql) from the spans that begin within the scope, of its thread. Usual
 * times are of the whole recording. At most 255 names, the first ones; the rest are one, "[other names]".
 * Takes 56 bytes a span, 32 a kept call (64 while they are sorted), 8 a cause. -EINVAL for an interval of no
 * span; -E2BIG for more than 4,194,304 spans or kept calls; -ENOMEM; -EIO with SQLite's words.
 */
int mp_impact_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err);

#endif
