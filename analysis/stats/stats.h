/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_STATS_STATS_H
#define MP_ANALYSIS_STATS_STATS_H

#include <stdint.h>

/*
 * Statistics that reports share. All functions are pure but for what they are handed; any thread.
 *
 * A quantile is told by its tail: how many of 100,000 calls lie beyond it, a whole number, since 1 - 0.99999
 * is none. Its value is that of the nearest rank, ceil(q n), of n sorted values: ranks begin with 1. `n` is 0
 * to MP_CALLS_MAX, so that no sum of two overflows.
 */
#define MP_CALLS_MAX  (1LL << 62)
#define MP_TAIL_WHOLE 100000

enum mp_tail {
	MP_TAIL_P50 = 50000,
	MP_TAIL_P90 = 10000,
	MP_TAIL_P99 = 1000,
	MP_TAIL_P999 = 100,
	MP_TAIL_P9999 = 10,
	MP_TAIL_P99999 = 1,
};

/* How many of n values rank above the quantile's. `tail` is 0 to MP_TAIL_WHOLE. */
int64_t mp_quantile_beyond(int64_t n, uint32_t tail);

/* The quantile's rank, n minus those beyond: 1 to n; 0 of no values. */
int64_t mp_quantile_rank(int64_t n, uint32_t tail);

/*
 * The confidence interval of a quantile by order statistics, whatever the distribution: with at least 95 %
 * probability the value of which the n were drawn lies between those of ranks `lo` and `hi`, at most 2.5 %
 * on either side. `lo` 0, `hi` n+1: n values are too few to tell a bound.
 *
 * The number of values up to the quantile is binomial (n, q); `lo` is the largest and `hi` the smallest rank
 * that leave no more than 2.5 % outside (Conover, Practical Nonparametric Statistics, 3.2). Exact, by summing
 * the probabilities, up to a variance of 10^6; above, by the Cornish-Fisher expansion, one rank wider where
 * in doubt. At most some 10^5 steps for any n.
 *
 * Caveat: the n count as independent. Slow calls that come in bursts are fewer than they seem.
 */
struct mp_ranks {
	int64_t lo, hi;
};

struct mp_ranks mp_quantile_interval(int64_t n, uint32_t tail);

/*
 * Mean and variance of values that each stand for a number of calls, taken in one by one without
 * cancellation (West, Communications of the ACM 22(9), 1979). Zero-initialized it is of no values.
 */
struct mp_moments {
	double n, mean;
	double square; /* sum of squared distances from the mean */
};

void mp_moments_add(struct mp_moments *m, double value, double calls);

/* Standard deviation of the values as they are (not of what they are a sample of), and what it is of the
 * mean, the coefficient of variation. NAN where there is none: of no values, or a mean of 0. */
double mp_moments_stddev(const struct mp_moments *m);
double mp_moments_cv(const struct mp_moments *m);

#endif
