/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_OMISSION_H
#define MP_ANALYSIS_STATS_OMISSION_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/stats/rank.h"

/*
 * Percentiles corrected for coordinated omission: work that was meant to begin every `interval_ns`, and could
 * not because the piece before it took longer, is missing among the durations. As HdrHistogram's
 * recordValueWithExpectedInterval(): a duration longer than the interval adds those of the missing,
 * ns - interval, ns - 2 * interval, ..., as long as they are an interval or more. Exact; the missing are not
 * made, so a second's stall at an interval of a microsecond costs nothing.
 *
 * ns: not negative, n of them; reordered. interval_ns >= 1. *all: how many there are with the missing. Pure;
 * any thread.
 */
void mp_omission_correct(int64_t *ns, size_t n, int64_t interval_ns, struct mp_percentiles *out, double *all);

#endif
