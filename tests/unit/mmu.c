/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "analysis/gc/mmu.h"

TestSuite(mmu, .timeout = 60);

#define MS INT64_C(1000000)

Test(mmu, merges)
{
	struct mp_pause p[] = {{30, 40}, {10, 20}, {15, 25}, {25, 26}, {50, 50}, {60, 55}, {11, 12}};

	cr_assert_eq(mp_pauses_merge(p, 7), 2);
	cr_assert_eq(p[0].from_ns, 10);
	cr_assert_eq(p[0].to_ns, 26);
	cr_assert_eq(p[1].from_ns, 30);
	cr_assert_eq(p[1].to_ns, 40);
	cr_assert_eq(mp_pauses_merge(p, 0), 0);
}

/* 2 ms at 10, 3 ms at 20, 1 ms at 24, in 100 ms. */
Test(mmu, by_hand)
{
	static const struct mp_pause p[] = {{10 * MS, 12 * MS}, {20 * MS, 23 * MS}, {24 * MS, 25 * MS}};
	static const struct {
		int64_t window_ms, pause_ms, t_ms;
	} want[] = {{1, 1, 10}, {2, 2, 10}, {3, 3, 20}, {4, 3, 19}, {5, 4, 20}, {10, 4, 15}, {13, 5, 10},
	    {15, 6, 10}, {50, 6, 0}, {100, 6, 0}};

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		struct mp_mmu m = mp_mmu_of(p, 3, 0, 100 * MS, want[i].window_ms * MS);

		cr_expect_eq(m.pause_ns, want[i].pause_ms * MS, "%d: %d", (int)want[i].window_ms,
		    (int)(m.pause_ns / MS));
		cr_expect_eq(
		    m.t_ns, want[i].t_ms * MS, "%d: at %d", (int)want[i].window_ms, (int)(m.t_ns / MS));
		cr_expect_float_eq(m.mmu, 1 - (double)want[i].pause_ms / (double)want[i].window_ms, 1e-12);
	}
}

Test(mmu, none)
{
	struct mp_mmu m = mp_mmu_of(NULL, 0, 5, 100, 10);

	cr_assert_eq(m.mmu, 1);
	cr_assert_eq(m.t_ns, 5);
}

static int64_t paused(const struct mp_pause *p, size_t n, int64_t from, int64_t to)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t a = p[i].from_ns > from ? p[i].from_ns : from, b = p[i].to_ns < to ? p[i].to_ns : to;

		sum += b > a ? b - a : 0;
	}
	return sum;
}

/* Against all windows, one by one. */
Test(mmu, as_all_windows)
{
	srand48(1);
	for (int round = 0; round < 200; round++) {
		struct mp_pause p[20];
		size_t n = 0;

		for (int i = 0; i < 20; i++) {
			p[i].from_ns = (int64_t)(drand48() * 280);
			p[i].to_ns = p[i].from_ns + (int64_t)(drand48() * 15);
		}
		n = mp_pauses_merge(p, 20);
		for (int64_t window = 1; window <= 300; window += 7) {
			struct mp_mmu m = mp_mmu_of(p, n, 0, 300, window);
			int64_t most = 0;

			for (int64_t t = 0; t + window <= 300; t++) {
				int64_t now = paused(p, n, t, t + window);

				most = now > most ? now : most;
			}
			cr_assert_eq(m.pause_ns, most, "window %d: %d, should be %d", (int)window,
			    (int)m.pause_ns, (int)most);
			cr_assert_eq(paused(p, n, m.t_ns, m.t_ns + window), most);
			cr_assert(m.t_ns >= 0 && m.t_ns + window <= 300);
		}
	}
}
