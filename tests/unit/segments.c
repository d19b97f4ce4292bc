/* SPDX-License-Identifier: MIT */
/* Stretches of a constant level in a series. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "analysis/stats/segments.h"

enum { MOST = 600 };

static double value[MOST];
static size_t begin[MOST];

/* About normal: the sum of twelve uniform ones. */
static double noise(uint64_t *state)
{
	double sum = -6;

	for (int i = 0; i < 12; i++) {
		*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		sum += (double)(*state >> 11) * 0x1p-53;
	}
	return sum;
}

Test(segments, levels_without_noise)
{
	for (size_t i = 0; i < 30; i++)
		value[i] = i < 10 ? 1e9 : i < 13 ? 1e9 + 1 : 1e9 - 2;
	cr_assert_eq(mp_segments(value, 30, 2, 0, begin), 3);
	cr_assert_eq(begin[0], 0);
	cr_assert_eq(begin[1], 10);
	cr_assert_eq(begin[2], 13);
	cr_assert_eq(mp_segments(value, 30, 2, 1.5, begin), 2, "the first two differ by less than that");
}

Test(segments, nothing_to_divide)
{
	for (size_t i = 0; i < MOST; i++)
		value[i] = 7;
	cr_assert_eq(mp_segments(value, 0, 2, 0, begin), 0);
	cr_assert_eq(mp_segments(value, 1, 2, 0, begin), 1);
	cr_assert_eq(mp_segments(value, MOST, 2, 0, begin), 1);
	cr_assert_eq(begin[0], 0);
}

Test(segments, a_stretch_too_short_is_none)
{
	for (size_t i = 0; i < 40; i++)
		value[i] = i == 20 ? 1000 : (double)(i % 2);
	cr_assert_eq(mp_segments(value, 40, 3, 400, begin), 1);
}

/* Of 200 series of noise alone, and 200 with a step of 3 of its standard deviations in the middle. */
Test(segments, noise)
{
	uint64_t state = 1;
	size_t false_alarms = 0, found = 0;

	for (int round = 0; round < 400; round++) {
		for (size_t i = 0; i < 100; i++)
			value[i] = noise(&state) + (round % 2 && i >= 50 ? 3 : 0);
		size_t n = mp_segments(value, 100, 2, 0, begin);
		if (round % 2)
			found += n == 2 && begin[1] >= 48 && begin[1] <= 52;
		else
			false_alarms += n > 1;
	}
	cr_assert_leq(false_alarms, 4, "%zu", false_alarms);
	cr_assert_geq(found, 180, "%zu", found);
}
