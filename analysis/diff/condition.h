/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_DIFF_CONDITION_H
#define MP_ANALYSIS_DIFF_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * What must not come of a change (--fail-if):
 *
 *   [TABLE.|OP.]FIGURE [of NAME] (>|<) (+|-)N[%]
 *
 *   p99_ns > +10%                     of any row that has one
 *   malloc.p99_ns > +5%               of an operation
 *   sites.bytes_per_s of on_packet > +100000
 *   p50_ns of risk_sweep/free < -20%  NAME: a row's name, its operation, or both
 *
 * N is the change from A to B, in percent of A, or in the figure's own unit: ns for p99_ns.
 */
struct mp_diff_condition {
	const char *text; /* as it was given */
	char table[32];   /* or operation; empty: any */
	char figure[32];
	char name[256]; /* empty: any */
	bool is_above, is_percent;
	double limit;
};

/* `text` is kept, not copied. -EINVAL with one line that says what is wrong. Pure. */
int mp_diff_condition_parse(const char *text, struct mp_diff_condition *out, struct mp_err *err);

/* Whether it is of a row of this table, name and operation (NULL: none), and figure. */
bool mp_diff_condition_is_of(const struct mp_diff_condition *c, const char *table, const char *name,
    const char *op, const char *figure);

/* Whether a change from `a` to `b` meets it. In percent of 0, any change is without end. */
bool mp_diff_condition_meets(const struct mp_diff_condition *c, double a, double b);

#endif
