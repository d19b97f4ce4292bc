/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_RANK_H
#define MP_ANALYSIS_STATS_RANK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Exact order statistics of values in memory, in linear time whatever their order. Percentiles are nearest
 * rank: of n values, the one that stands at ceil(q * n) when they are sorted. Any thread, on its own values.
 */
struct mp_percentiles {
	int64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};

/* Puts the value that belongs at position k of v[lo..n) there, none larger before it and none smaller behind
 * it, and returns it. lo <= k < n. */
int64_t mp_rank_select(int64_t *v, size_t lo, size_t n, size_t k);

/* Of values that are not negative. Reorders v. All are 0 of no values. */
void mp_percentiles_of(int64_t *v, size_t n, struct mp_percentiles *out);

struct mp_weighted {
	int64_t value;
	uint32_t weight;
};

/* The smallest value that half of the weight does not exceed; 0 of no values. Reorders v. */
int64_t mp_weighted_median(struct mp_weighted *v, size_t n);

#endif
