/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_CHANGES_H
#define MP_ANALYSIS_PATTERNS_CHANGES_H

#include <stddef.h>
#include <stdint.h>

/*
 * Whether, and when, something changed within a recording: the sum of the deviations from the mean, from the
 * beginning on, goes far from 0 and back. Of ranks that is Pettitt's test (Applied Statistics 28, 1979), of
 * arrival times Kolmogorov's; both have the tail of a Brownian bridge.
 *
 * Calls come in bunches, and those of a bunch are alike. By how much the sums of a 64th or a 16th of the
 * recording, compared with the next one, vary more than those of independent calls would is divided out: what
 * goes up and down within that time is no change. Pure; any thread.
 */
#define MP_CHANGE_ALPHA 0.001
#define MP_CHANGE_LEAST 100 /* values or arrivals; 30 before and after for ranks */

struct mp_change {
	size_t at;     /* the first index after the change */
	double log_p;  /* that nothing changed; 0: too few to tell */
	double effect; /* of ranks: how likely a later value is the larger one, 0 to 1 */
};

/* Of `n` values in order of time. 0 or -ENOMEM. */
int mp_change_of_ranks(const double *value, size_t n, struct mp_change *out);

/* Of the rate of `n` times between from_ns and to_ns, in order. */
void mp_change_of_rate(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, struct mp_change *out);

#endif
