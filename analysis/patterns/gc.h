/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_GC_H
#define MP_ANALYSIS_PATTERNS_GC_H

#include "analysis/patterns/kept.h"

/*
 * Jitter by garbage collections: kept calls, by operation, and spans, by name, that touch the window of a
 * collection (its pause and the MP_GC_AFTER_NS behind it) against all others. Figures are weighted: rows
 * stand for as many calls as their weight says.
 */
#define MP_GC_AFTER_NS 10000000
#define MP_GC_LEAST    10 /* rows inside, and outside */

struct mp_gc_effect {
	char what[64]; /* the operation, or "span NAME" */
	size_t rows_in, rows_out;
	double in_p50_ns, in_p99_ns, out_p50_ns, out_p99_ns;
	double delta; /* Cliff's (analysis/stats/effect.h) */
	double log_p; /* of all rows of the answer taken together */
};

/*
 * The surest first; how many, at most `most`, or -errno with a text. 0 where there are no collections.
 * Memory: 24 bytes a kept call, and 10 MB for spans.
 */
int mp_gc_effects(const struct mp_kept_calls *calls, struct mp_gc_effect *out, int most, struct mp_err *err);

#endif
