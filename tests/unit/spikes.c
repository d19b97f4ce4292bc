/* SPDX-License-Identifier: MIT */
/* Where a series goes far above what it is in its phase. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "analysis/session/spikes.h"

enum { STEPS = 120 };

static struct mp_spike_step step[STEPS];
static uint64_t state = 1;

/* About normal: the sum of twelve uniform ones. */
static double noise(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		sum += (double)(state >> 11) * 0x1p-53;
	}
	return sum;
}

/* A level for each 40 steps, with a spread of 10 %. */
static void fill(void)
{
	static const double level[] = {1000, 50000, 300};

	for (size_t i = 0; i < STEPS; i++)
		step[i] = (struct mp_spike_step){level[i / 40] * exp(0.1 * noise()), i / 40};
}

Test(spikes, none_without)
{
	for (int round = 0; round < 500; round++) {
		size_t n;
		fill();
		cr_assert_null(mp_find_spikes(step, STEPS, 1.5, &n));
		cr_assert_eq(n, 0, "round %d", round);
	}
}

Test(spikes, of_known_size_and_time)
{
	for (int round = 0; round < 200; round++) {
		size_t n;
		fill();
		for (size_t i = 50; i < 53; i++)
			step[i].value = 50000 * (i == 51 ? 6 : 4);
		struct mp_spike *s = mp_find_spikes(step, STEPS, 1.5, &n);
		cr_assert_eq(n, 1, "round %d", round);
		cr_assert_eq(s->begin, 50);
		cr_assert_eq(s->end, 53);
		cr_assert_eq(s->peak, 51);
		cr_assert_eq(s->value, 300000);
		cr_assert_float_eq(s->level, 50000, 5000);
		free(s);
	}
}

/* 1.4 times as much, without any spread, is not half as much again. */
Test(spikes, at_least_the_factor)
{
	size_t n;

	for (size_t i = 0; i < STEPS; i++)
		step[i] = (struct mp_spike_step){i == 20 ? 140 : 100, 0};
	cr_assert_null(mp_find_spikes(step, STEPS, 1.5, &n));
	struct mp_spike *s = mp_find_spikes(step, STEPS, 1.3, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(s->begin, 20);
	free(s);
}

Test(spikes, too_few_steps_have_no_level)
{
	size_t n;

	for (size_t i = 0; i < MP_SPIKE_STEPS; i++)
		step[i] = (struct mp_spike_step){i == 2 ? 1e9 : 1, 0};
	cr_assert_null(mp_find_spikes(step, MP_SPIKE_STEPS - 1, 1.5, &n));
	cr_assert_null(mp_find_spikes(step, 0, 1.5, &n));
	struct mp_spike *s = mp_find_spikes(step, MP_SPIKE_STEPS, 1.5, &n);
	cr_assert_eq(n, 1);
	free(s);
}

Test(spikes, steps_without_a_value_do_not_end_one)
{
	size_t n;

	for (size_t i = 0; i < 40; i++)
		step[i] = (struct mp_spike_step){i == 10 || i == 12 ? 1000 : i == 11 ? -1 : 10, 0};
	struct mp_spike *s = mp_find_spikes(step, 40, 3, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(s->end, 13);
	free(s);
}

Test(spikes, nothing_is_a_level_too)
{
	size_t n;

	for (size_t i = 0; i < 40; i++)
		step[i] = (struct mp_spike_step){i == 39 ? 5 : 0, 0};
	struct mp_spike *s = mp_find_spikes(step, 40, 1.5, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(s->level, 0);
	free(s);
}
