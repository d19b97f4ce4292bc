/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_SEGMENTS_H
#define MP_ANALYSIS_STATS_SEGMENTS_H

#include <stddef.h>

/*
 * Divides a series into stretches of a constant level: of all divisions the one of the least sum of squared
 * distances from the means of its stretches, plus a penalty for each (Jackson et al., An algorithm for
 * optimal partitioning of data on an interval, IEEE Signal Processing Letters 12(2), 2005). The penalty is 4
 * ln n times the variance of the noise, twice of what Yao's criterion asks for (1988), for series whose noise
 * is not quite independent. The noise is estimated from the differences of neighbours, by their median:
 * levels that change do not count.
 *
 * `begin` has room for n, and gets where the stretches begin, the first at 0; no stretch is shorter than
 * `least`. Levels that differ by less than `step` are one. Returns how many; 1 of a series that is constant,
 * or too short to tell; 0: out of memory, or n is 0. Takes n x n steps. Pure; any thread.
 */
size_t mp_segments(const double *value, size_t n, size_t least, double step, size_t *begin);

#endif
