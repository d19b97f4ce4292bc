/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_HIST_H
#define MP_SAMPLER_POOLS_HIST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A histogram of durations in the buckets of store/histogram.h that knows which of them it has used: to be
 * written and emptied by slot, or asked for quantiles. Its memory, 14 kB, is taken at the first count.
 * Zero-initialized; one thread.
 */
struct mp_pool_hist {
	struct mp_pool_counts *counts;
};

/* False without memory: it is not counted. */
bool mp_pool_hist_count(struct mp_pool_hist *h, uint64_t ns);

/* The duration that a share `q` (0..1) stays at or below: the middle of its bucket; -1: there are none. */
int64_t mp_pool_hist_quantile(const struct mp_pool_hist *h, double q);

/* Hands the buckets that are used to `fn`, in no order, and empties them. Stops at a failure, and returns it.
 */
int mp_pool_hist_drain(
    struct mp_pool_hist *h, int (*fn)(void *ctx, uint32_t bucket, uint64_t count), void *ctx);

void mp_pool_hist_free(struct mp_pool_hist *h);

#endif
