/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_MODES_H
#define MP_ANALYSIS_PATTERNS_MODES_H

#include <stdbool.h>
#include <stdint.h>

#include "store/histogram.h"

/*
 * Whether durations have two modes: a fast path and a slow one. Durations are counted on a logarithmic scale,
 * four cells an octave, with `doubt_ns` added, below which the clock's steps would make modes of their own.
 * Two humps an octave or more apart count as modes if the valley between them is at most half as high as the
 * lower, if each side has a twentieth of the calls, and if chance would dig such a valley into one hump with
 * a probability below MP_MODES_ALPHA, all pairs of cells and `tests` such questions taken together.
 */
#define MP_MODES_CELLS 192
#define MP_MODES_ALPHA 0.001
#define MP_MODES_LEAST 200 /* rows */

/* The cells, by the buckets of the histogram (store/histogram.h), which are narrower. */
struct mp_modes_scale {
	double doubt_ns;
	uint8_t cell[MP_HIST_BUCKETS];
};

struct mp_modes_count {
	const struct mp_modes_scale *scale;
	double weight[MP_MODES_CELLS];
	double squares[MP_MODES_CELLS]; /* of the weights */
	uint64_t rows;
};

struct mp_modes {
	double valley_ns;
	double slow_share; /* of the calls, beyond the valley */
	double log_p;
};

void mp_modes_scale_init(struct mp_modes_scale *scale, double doubt_ns);

void mp_modes_add(struct mp_modes_count *count, int64_t dur_ns, double weight);

/* Pure; any thread. */
bool mp_modes_find(const struct mp_modes_count *count, double tests, struct mp_modes *out);

#endif
