/* SPDX-License-Identifier: MIT */
#include "analysis/sites/sites.h"

#include <criterion/criterion.h>

Test(sites, percentiles_are_nearest_rank_by_weight)
{
	struct mp_site_call calls[] = {{500, 1, 0}, {10, 98, 0}, {20, 1, 0}};
	struct mp_site_sum s = mp_site_sum(calls, 3);

	cr_assert_eq(s.rows, 3);
	cr_assert_eq(s.calls, 100);
	cr_assert_eq(s.p50_ns, 10);
	cr_assert_eq(s.p99_ns, 20);
	cr_assert_eq(s.max_ns, 500);
	cr_assert_eq((long long)s.time_ns, 980 + 20 + 500);
}

Test(sites, one_call_is_all_of_them)
{
	struct mp_site_call call = {7, 3, 0};
	struct mp_site_sum s = mp_site_sum(&call, 1);

	cr_assert(s.p50_ns == 7 && s.p99_ns == 7 && s.max_ns == 7 && s.calls == 3);
	s = mp_site_sum(NULL, 0);
	cr_assert(s.rows == 0 && s.calls == 0 && s.max_ns == 0);
}

/* As SQL's (calls * 99 + 99) / 100 has it, for any number of calls. */
Test(sites, ranks_are_those_of_the_views)
{
	struct mp_site_call calls[400];

	for (int n = 1; n <= 400; n++) {
		for (int i = 0; i < n; i++)
			calls[i] = (struct mp_site_call){n - i, 1, 0};
		struct mp_site_sum s = mp_site_sum(calls, (size_t)n);
		cr_assert_eq(s.p50_ns, (n * 50 + 99) / 100, "%d", n);
		cr_assert_eq(s.p99_ns, (n * 99 + 99) / 100, "%d", n);
	}
}

Test(sites, sums_that_leave_64_bits_are_the_largest)
{
	struct mp_site_call calls[] = {{1, INT64_MAX, 0}, {2, INT64_MAX, 0}};
	struct mp_site_sum s = mp_site_sum(calls, 2);

	cr_assert_eq(s.calls, INT64_MAX);
	cr_assert_eq(s.p50_ns, 1);
}
