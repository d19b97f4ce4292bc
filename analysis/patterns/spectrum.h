/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_PATTERNS_SPECTRUM_H
#define MP_ANALYSIS_PATTERNS_SPECTRUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * How surely events recur, by frequency: the periodograms of parts of a recording, averaged (Bartlett,
 * Biometrika 37, 1950). Of each part the events are
 *
 *   counted in bins, an event divided between the two nearest: little folds back from beyond the bins
 *   windowed (Hann), so that slow changes of the rate stay at the lowest frequencies, which are left out
 *   transformed; power / sum of squared weights: 1 for Poisson arrivals
 *   divided by their background, the median of neighbouring frequencies, 1 at least: bursts and dead times
 *     raise and lower the spectrum broadly, a rhythm is a line in it; and parts with bursts count no more
 *     than others
 *
 * Without a rhythm the sum over the parts at one frequency has the Erlang distribution, or one with less of a
 * tail. Its scale is the median of the neighbours on the left or on the right, whichever is higher; its shape
 * the number of parts, or less where the sums of squares say that a few of them have most of the power.
 */
struct mp_spectrum {
	int64_t bin_ns;
	size_t length;   /* bins in a part */
	size_t parts;    /* averaged; 0: too few events, and log_p is NULL */
	size_t lo, hi;   /* frequencies: i / (length x bin_ns), lo <= i < hi */
	double per_part; /* events in a part, on average */
	float *log_p;    /* [i - lo]: log p-value, 0 above 0.01. Free with mp_spectrum_clear() */
};

/* Periods from SHORTEST to LONGEST bins are looked at, and only those that a part holds CYCLES times. */
#define MP_SPECTRUM_SHORTEST 8
#define MP_SPECTRUM_LONGEST  128
#define MP_SPECTRUM_CYCLES   10

/*
 * Of `n` times between from_ns and to_ns, in order. At most `budget` bins are transformed: of a longer
 * recording the parts with the most events. Memory: some 20 bytes for each bin of a part, at most 2^19 of
 * them. 0 or -ENOMEM.
 */
int mp_spectrum_make(const int64_t *t_ns, size_t n, int64_t from_ns, int64_t to_ns, int64_t bin_ns,
    size_t budget, struct mp_spectrum *out);

void mp_spectrum_clear(struct mp_spectrum *sp);

/* The frequency of an index, in Hz. */
double mp_spectrum_hz(const struct mp_spectrum *sp, double index);

#endif
