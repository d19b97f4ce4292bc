/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_TALLY_H
#define MP_ANALYSIS_STATS_TALLY_H

#include <stdint.h>

#include "analysis/stats/stats.h"
#include "store/histogram.h"

/*
 * Calls counted by duration, in the buckets of store/histogram.h, with the sums that buckets cannot give. It
 * takes memory only for the powers of two that have calls: half a KiB each, 18 KiB at most. Zero-initialized
 * it is empty. Counts end at MP_CALLS_MAX, whatever a session says. One thread at a time.
 */
#define MP_TALLY_PAGE  (1 << MP_HIST_SUB_BITS)
#define MP_TALLY_PAGES (MP_HIST_BUCKETS / MP_TALLY_PAGE)

struct mp_tally {
	int64_t calls;
	int64_t *page[MP_TALLY_PAGES]; /* page i has the buckets from i * MP_TALLY_PAGE on */
	/* Of the same calls, exact; none: nothing but the buckets is known. */
	int64_t exact_calls, max_ns;
	double sum_ns;
};

/* 0 or -ENOMEM. A bucket that does not exist and a count below 1 are passed over. */
int mp_tally_add(struct mp_tally *t, int64_t bucket, int64_t calls);

/* Adds what is known of calls that are counted by mp_tally_add(). */
void mp_tally_add_exact(struct mp_tally *t, int64_t calls, double sum_ns, int64_t max_ns);

/* Adds all of `from`; 0 or -ENOMEM. */
int mp_tally_merge(struct mp_tally *t, const struct mp_tally *from);

/* The bucket of the call of that rank, 1 to `calls`. */
uint32_t mp_tally_bucket(const struct mp_tally *t, int64_t rank);

/* The slowest call: exact, or else the upper end of its bucket. */
int64_t mp_tally_max_ns(const struct mp_tally *t);

/* Calls of a bucket. */
static inline int64_t mp_tally_calls(const struct mp_tally *t, uint32_t bucket)
{
	const int64_t *page = t->page[bucket / MP_TALLY_PAGE];

	return page ? page[bucket % MP_TALLY_PAGE] : 0;
}

/*
 * What reports say of calls. Quantiles are of the nearest rank, given as the middle of its bucket (within 0.8
 * %), never above max_ns: as in v_percentile. The mean is exact where sums are known; the standard deviation
 * is from the middles of the buckets, around that mean.
 */
#define MP_SPREAD_QUANTILES 6

struct mp_spread {
	int64_t calls;
	int64_t quantile_ns[MP_SPREAD_QUANTILES]; /* of mp_spread_tails[] */
	int64_t max_ns;
	double mean_ns, stddev_ns;
};

/* p50, p90, p99, p99.9, p99.99, p99.999 */
extern const uint32_t mp_spread_tails[MP_SPREAD_QUANTILES];

/* Of a tally that has calls. */
struct mp_spread mp_tally_spread(const struct mp_tally *t);

/* Empties it and frees its memory. */
void mp_tally_clear(struct mp_tally *t);

#endif
