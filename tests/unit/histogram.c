/* SPDX-License-Identifier: MIT */
#include "store/histogram.h"

#include <criterion/criterion.h>
#include <stdint.h>

static uint64_t random_state = 88172645463325252ULL;

/* xorshift64: the same values in every run. */
static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

Test(histogram, buckets_tile_the_range)
{
	cr_assert_eq(mp_hist_lo_ns(0), 0);
	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
		uint64_t lo = mp_hist_lo_ns(b), hi = mp_hist_hi_ns(b);

		cr_assert_leq(lo, hi, "bucket %u", b);
		cr_assert_eq(mp_hist_bucket(lo), b, "low end of bucket %u", b);
		cr_assert_eq(mp_hist_bucket(hi), b, "high end of bucket %u", b);
		cr_assert_eq(mp_hist_bucket((lo + hi) / 2), b, "middle of bucket %u", b);
		if (b + 1 < MP_HIST_BUCKETS)
			cr_assert_eq(mp_hist_lo_ns(b + 1), hi + 1, "gap behind bucket %u", b);
	}
	cr_assert_eq(mp_hist_hi_ns(MP_HIST_BUCKETS - 1), MP_HIST_MAX_NS);
}

Test(histogram, buckets_are_at_most_a_64th_wide)
{
	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++) {
		uint64_t lo = mp_hist_lo_ns(b), width = mp_hist_hi_ns(b) - lo + 1;

		if (lo < 128)
			cr_assert_eq(width, 1, "bucket %u", b);
		else
			cr_assert_leq(width * 64, lo, "bucket %u", b);
	}
}

Test(histogram, random_values_are_within_the_promised_error)
{
	for (int i = 0; i < 2000000; i++) {
		uint64_t v = next_random() >> (23 + next_random() % 41);
		unsigned int b = mp_hist_bucket(v);
		uint64_t lo = mp_hist_lo_ns(b), hi = mp_hist_hi_ns(b), middle = (lo + hi) / 2;
		uint64_t error = middle > v ? middle - v : v - middle;

		cr_assert(lo <= v && v <= hi, "%llu in bucket %u", (unsigned long long)v, b);
		cr_assert_leq((double)(hi - lo), 0.016 * (double)lo + 0.5);
		cr_assert_leq((double)error, 0.008 * (double)v + 0.5);
	}
}

Test(histogram, order_is_kept)
{
	for (int i = 0; i < 1000000; i++) {
		uint64_t a = next_random() >> (next_random() % 64), b = next_random() >> (next_random() % 64);

		if (a <= b)
			cr_assert_leq(mp_hist_bucket(a), mp_hist_bucket(b));
	}
}

Test(histogram, what_is_too_large_goes_to_the_last_bucket)
{
	cr_assert_eq(mp_hist_bucket(MP_HIST_MAX_NS), MP_HIST_BUCKETS - 1);
	cr_assert_eq(mp_hist_bucket(MP_HIST_MAX_NS + 1), MP_HIST_BUCKETS - 1);
	cr_assert_eq(mp_hist_bucket(UINT64_MAX), MP_HIST_BUCKETS - 1);
}

Test(histogram, log2_is_the_highest_set_bit)
{
	cr_assert_eq(mp_hist_log2(0), 0);
	cr_assert_eq(mp_hist_log2_by_halves(0), 0);
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t low = 1ULL << bit, high = low | (low - 1),
			 between = low | (next_random() & (low - 1));

		cr_assert_eq(mp_hist_log2(low), bit);
		cr_assert_eq(mp_hist_log2(between), bit);
		cr_assert_eq(mp_hist_log2_by_halves(low), bit);
		cr_assert_eq(mp_hist_log2_by_halves(between), bit);
		cr_assert_eq(mp_hist_log2_by_halves(high), bit);
	}
}

Test(histogram, size_classes_tile_all_sizes)
{
	cr_assert_eq(mp_size_class_lo(0), 0);
	cr_assert_eq(mp_size_class_hi(0), 16);
	for (unsigned int c = 0; c < MP_SIZE_CLASSES; c++) {
		cr_assert_eq(mp_size_class(mp_size_class_lo(c)), c, "low end of class %u", c);
		cr_assert_eq(mp_size_class(mp_size_class_hi(c)), c, "high end of class %u", c);
		if (c + 1 < MP_SIZE_CLASSES)
			cr_assert_eq(
			    mp_size_class_lo(c + 1), mp_size_class_hi(c) + 1, "gap behind class %u", c);
	}
	cr_assert_eq(mp_size_class(UINT64_MAX), MP_SIZE_CLASSES - 1);
	cr_assert_eq(mp_size_class(17), 1);
	cr_assert_eq(mp_size_class(32), 1);
	cr_assert_eq(mp_size_class(33), 2);
}
