/* SPDX-License-Identifier: MIT */
#include "analysis/stats/stats.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

TestSuite(stats, .timeout = 120);

static const uint32_t tails[] = {
    MP_TAIL_P50, MP_TAIL_P90, MP_TAIL_P99, MP_TAIL_P999, MP_TAIL_P9999, MP_TAIL_P99999};

static uint64_t random_state = 88172645463325252ULL;

/* Evenly distributed over (0, 1). */
static double next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return ((double)(random_state >> 11) + 0.5) / 0x1p53;
}

Test(stats, a_rank_is_the_nearest)
{
	static const int64_t sizes[] = {0, 1, 2, 9, 10, 11, 99, 100, 101, 999, 12345, 99999, 100000, 100001,
	    1000000007, MP_CALLS_MAX - 1, MP_CALLS_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t k = 0; k < sizeof(tails) / sizeof(*tails); k++) {
			__int128 whole = (__int128)sizes[i] * (MP_TAIL_WHOLE - tails[k]);
			int64_t rank = (int64_t)((whole + MP_TAIL_WHOLE - 1) / MP_TAIL_WHOLE);

			cr_assert_eq(mp_quantile_rank(sizes[i], tails[k]), rank);
			cr_assert_eq(mp_quantile_beyond(sizes[i], tails[k]), sizes[i] - rank);
		}
}

/* P(X = k) of the binomial distribution, from its definition. */
static long double binomial(int n, long double q, int k)
{
	return expl(
	    lgammal(n + 1) - lgammal(k + 1) - lgammal(n - k + 1) + k * logl(q) + (n - k) * logl(1 - q));
}

Test(stats, an_interval_is_the_narrowest_that_leaves_a_fortieth_on_either_side)
{
	for (int n = 1; n <= 1500; n = n < 40 ? n + 1 : n + 73)
		for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
			long double q = 1 - (long double)tails[i] / MP_TAIL_WHOLE, sum;
			struct mp_ranks r = mp_quantile_interval(n, tails[i]);
			int lo = 0, hi = n + 1;

			/* The quantile is below value lo if fewer than lo are up to it, and above value hi if
			 * hi or more are. */
			for (sum = 0; (sum += binomial(n, q, lo)) <= 0.025L;)
				lo++;
			for (sum = 0; (sum += binomial(n, q, hi - 1)) <= 0.025L;)
				hi--;
			cr_assert_eq(
			    r.lo, lo, "n %d tail %u: %lld, not %d", n, tails[i], (long long)r.lo, lo);
			cr_assert_eq(
			    r.hi, hi, "n %d tail %u: %lld, not %d", n, tails[i], (long long)r.hi, hi);
		}
}

/* Of the median, from tables of the sign test; of a tail, from q^n <= 0.025. */
Test(stats, known_intervals)
{
	static const struct {
		int64_t n;
		uint32_t tail;
		int64_t lo, hi;
	} known[] = {
	    {5, MP_TAIL_P50, 0, 6},
	    {6, MP_TAIL_P50, 1, 6},
	    {10, MP_TAIL_P50, 2, 9},
	    {20, MP_TAIL_P50, 6, 15},
	    {25, MP_TAIL_P50, 8, 18},
	    {100, MP_TAIL_P50, 40, 61},
	    {35, MP_TAIL_P90, 28, 36},
	    {36, MP_TAIL_P90, 29, 36},
	    {367, MP_TAIL_P99, 359, 368},
	    {368, MP_TAIL_P99, 360, 368},
	    {0, MP_TAIL_P99, 0, 1},
	    {1, MP_TAIL_P99, 1, 2},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct mp_ranks r = mp_quantile_interval(known[i].n, known[i].tail);

		cr_expect(r.lo == known[i].lo && r.hi == known[i].hi, "n %lld tail %u: %lld to %lld",
		    (long long)known[i].n, known[i].tail, (long long)r.lo, (long long)r.hi);
	}
}

/* The same by adding up all probabilities that matter, from the lowest k on. */
static struct mp_ranks reference(int64_t n, uint32_t tail)
{
	long double q = 1 - (long double)tail / MP_TAIL_WHOLE, odds = q / (1 - q);
	long double deviation = sqrtl((long double)n * q * (1 - q));
	int64_t first = (int64_t)((long double)n * q - 12 * deviation);
	int64_t last = (int64_t)((long double)n * q + 12 * deviation);
	struct mp_ranks r = {0};

	first = first < 0 ? 0 : first;
	last = last > n ? n : last;
	long double total = 0, upto = 0, start = 0x1p-1000L, weight = start;
	for (int64_t k = first; k <= last; k++) {
		total += weight;
		weight *= (long double)(n - k) / (long double)(k + 1) * odds;
	}
	weight = start;
	for (int64_t k = first; k <= last; k++) {
		if (!r.lo && upto + weight > 0.025L * total)
			r.lo = k;
		upto += weight;
		if (!r.hi && upto >= 0.975L * total)
			r.hi = k + 1;
		weight *= (long double)(n - k) / (long double)(k + 1) * odds;
	}
	return r;
}

/* Around the variance at which sums give way to an expansion, and far above. */
Test(stats, an_interval_of_many_is_at_most_two_ranks_wider_and_never_narrower)
{
	static const struct {
		int64_t n;
		uint32_t tail;
	} many[] = {{1000000, MP_TAIL_P50}, {3999999, MP_TAIL_P50}, {4000001, MP_TAIL_P50},
	    {11111111, MP_TAIL_P90}, {11111113, MP_TAIL_P90}, {99999999, MP_TAIL_P99},
	    {101010102, MP_TAIL_P99}, {1000000007, MP_TAIL_P999}, {1001001002, MP_TAIL_P999},
	    {1000000007, MP_TAIL_P50}, {9999999967, MP_TAIL_P9999}, {10001000101, MP_TAIL_P9999},
	    {1000000000000, MP_TAIL_P99999}, {1000000000000, MP_TAIL_P9999}, {4000000000, MP_TAIL_P50}};

	for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++) {
		struct mp_ranks want = reference(many[i].n, many[i].tail);
		struct mp_ranks r = mp_quantile_interval(many[i].n, many[i].tail);
		double q = 1 - (double)many[i].tail / MP_TAIL_WHOLE;
		int wider = (double)many[i].n * q * (1 - q) > 1e6 ? 2 : 0;

		cr_expect(r.lo <= want.lo && r.lo >= want.lo - wider, "n %lld tail %u: from %lld, not %lld",
		    (long long)many[i].n, many[i].tail, (long long)r.lo, (long long)want.lo);
		cr_expect(r.hi >= want.hi && r.hi <= want.hi + wider, "n %lld tail %u: to %lld, not %lld",
		    (long long)many[i].n, many[i].tail, (long long)r.hi, (long long)want.hi);
	}
}

Test(stats, any_number_of_calls_has_bounds_in_order)
{
	for (int shift = 0; shift <= 62; shift++)
		for (uint32_t tail = 1; tail < MP_TAIL_WHOLE; tail = tail * 3 + 1) {
			int64_t n = 1LL << shift, rank = mp_quantile_rank(n, tail);
			struct mp_ranks r = mp_quantile_interval(n, tail);

			cr_assert(r.lo >= 0 && r.lo <= rank && rank <= r.hi && r.hi <= n + 1,
			    "n %lld tail %u", (long long)n, tail);
		}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sets of exponentially distributed values, whose true quantiles are -ln(tail). */
Test(stats, intervals_cover_the_true_quantile)
{
	enum { SETS = 4000, MOST = 2000 };
	static const int sizes[] = {7, 50, 400, MOST};
	static double value[MOST];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		int n = sizes[s], below[6] = {0}, above[6] = {0};

		for (int set = 0; set < SETS / (s == 3 ? 2 : 1); set++) {
			for (int i = 0; i < n; i++)
				value[i] = -log(next_random());
			qsort(value, (size_t)n, sizeof(*value), by_value);
			for (int i = 0; i < 6; i++) {
				double truth = -log((double)tails[i] / MP_TAIL_WHOLE);
				struct mp_ranks r = mp_quantile_interval(n, tails[i]);

				below[i] += r.lo > 0 && truth < value[r.lo - 1];
				above[i] += r.hi <= n && truth > value[r.hi - 1];
			}
		}
		double sets = SETS / (s == 3 ? 2 : 1);
		/* Four standard errors: chance fails one figure in 30,000. */
		double most = sets * 0.025 + 4 * sqrt(sets * 0.025 * 0.975);

		for (int i = 0; i < 6; i++)
			cr_expect(below[i] <= most && above[i] <= most, "n %d tail %u: %d below, %d above", n,
			    tails[i], below[i], above[i]);
		/* And the check can fail: the intervals are not just wide. */
		cr_expect_gt(below[0] + above[0], sets * 0.01, "n %d: %d", n, below[0] + above[0]);
	}
}

Test(stats, moments_are_those_of_two_passes)
{
	enum { N = 5000 };
	static double value[N], weight[N];
	struct mp_moments m = {0};
	long double n = 0, sum = 0, square = 0;

	cr_assert(isnan(mp_moments_stddev(&m)) && isnan(mp_moments_cv(&m)));
	for (int i = 0; i < N; i++) {
		/* A large offset: what cancellation ruins. */
		value[i] = 1e12 + next_random() * 1000;
		weight[i] = floor(next_random() * 5);
		mp_moments_add(&m, value[i], weight[i]);
		n += weight[i];
		sum += (long double)weight[i] * value[i];
	}
	for (int i = 0; i < N; i++)
		square += weight[i] * (value[i] - sum / n) * (value[i] - sum / n);
	double stddev = (double)sqrtl(square / n);

	cr_assert_float_eq(m.mean, (double)(sum / n), 1e-3);
	cr_assert_float_eq(mp_moments_stddev(&m), stddev, 1e-6 * stddev);
	cr_assert_float_eq(mp_moments_cv(&m), stddev / (double)(sum / n), 1e-15);
}

Test(stats, moments_of_one_value_and_of_zeros)
{
	struct mp_moments one = {0}, zero = {0};

	mp_moments_add(&one, 42, 3);
	cr_assert_eq(mp_moments_stddev(&one), 0);
	cr_assert_eq(mp_moments_cv(&one), 0);
	mp_moments_add(&zero, 0, 3);
	cr_assert_eq(mp_moments_stddev(&zero), 0);
	cr_assert(isnan(mp_moments_cv(&zero)));
}
