/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_DIFF_DIFF_H
#define MP_ANALYSIS_DIFF_DIFF_H

#include <stdio.h>

#include "analysis/diff/condition.h"
#include "store/emit.h"
#include "store/err.h"

/*
 * What changed from one recording to another, or from one phase to another: rates, quantiles of latency,
 * sites, causes, pools, collections, spans, counters; each with an interval and a verdict:
 *
 *   more, less   the change is beyond chance: over all rows of all tables, equal recordings
 *                show one with a probability of MP_DIFF_LEVEL or less
 *   new, gone    likewise, of what one side does not have at all
 *   same         it is not, or it is below MP_DIFF_LEAST_SHARE, which nobody acts upon
 *   unknown      too little is known to tell
 *
 * A second is one observation, not a call (analysis/stats/series.h). Half of the level is for the operations,
 * the other half in equal parts for the other tables; within a table the tests are corrected by Holm's
 * method. Intervals belong to the same level: they hold all together with a probability of 99 %. A quantile
 * is tested by the share of the calls beyond the quantile of both sides, and its interval is that of the
 * share, turned round (Woodruff, Journal of the American Statistical Association 47, 1952), those of both
 * sides taken together as by Zou and Donner (Statistics in Medicine 27(10), 2008).
 */
#define MP_DIFF_LEVEL       0.01
#define MP_DIFF_LEAST_SHARE 0.01

struct mp_diff_options {
	const char *path[2];  /* of the sessions; the second may be NULL: phases of one */
	const char *phase[2]; /* NULL: all of the recording */
	const char *table;    /* only this one; NULL: all, but CSV has the first */
	int64_t limit;        /* rows of a table; 0: all; < 0: all, but for people the 20 surest */
	enum mp_format format;
	const struct mp_diff_condition *condition;
	size_t n_conditions;
};

/* Of the conditions. */
struct mp_diff_failures {
	size_t met;    /* rows that meet one */
	size_t untold; /* conditions of whose rows too little is known */
};

/*
 * Writes the comparison. `failed`, where conditions were given, gets a line for each row that meets one, and
 * for each condition that nothing is known of. *failures counts both. -EINVAL, with nothing
 * written, for a table or phase that does not exist and a condition that is of no row; those of
 * mp_session_open(); -EIO, -EPIPE.
 */
int mp_diff_run(const struct mp_diff_options *o, FILE *out, FILE *failed, struct mp_diff_failures *failures,
    struct mp_err *err);

/* What can be told of the options without a session: a table or a figure that does not exist. -EINVAL. */
int mp_diff_check(const struct mp_diff_options *o, struct mp_err *err);

/* "operations, sizes, ...": for a message. */
void mp_diff_table_names(char *out, size_t size);

#endif
