/* SPDX-License-Identifier: MIT */
#include "analysis/explain/groups.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/explain/slowest.h"

Test(groups, sums_by_key_in_the_order_of_the_keys)
{
	struct mp_groups *t = mp_groups_new(1000000);
	size_t n;

	cr_assert_null(mp_groups_find(t, 1, 2), "empty");
	for (int round = 0; round < 3; round++)
		for (int64_t a = 0; a < 100; a++)
			for (int64_t b = 0; b < 50; b++)
				mp_groups_add(&mp_groups_at(t, a - 50, b << 40)->sum[round], a * b);
	const struct mp_group *rows = mp_groups_all(t, &n);
	cr_assert_eq(n, 5000);
	for (size_t i = 0; i < n; i++) {
		int64_t a = (int64_t)i / 50, b = (int64_t)i % 50;

		cr_assert(rows[i].a == a - 50 && rows[i].b == b << 40);
		cr_assert(rows[i].sum[0] == a * b && rows[i].sum[2] == a * b && rows[i].sum[3] == 0);
		cr_assert_eq(mp_groups_find(t, rows[i].a, rows[i].b), &rows[i]);
	}
	cr_assert_null(mp_groups_find(t, 1000, 0));
	mp_groups_free(t);
}

Test(groups, what_does_not_fit_is_counted_together)
{
	struct mp_groups *t = mp_groups_new(200);
	const struct mp_group *rest;
	size_t n;

	for (int64_t a = 0; a < 1000; a++)
		mp_groups_add(&mp_groups_at(t, a, 0)->sum[0], 1);
	mp_groups_all(t, &n);
	cr_assert_eq(n, 201);
	rest = mp_groups_find(t, MP_GROUPS_REST, MP_GROUPS_REST);
	cr_assert_eq(rest->sum[0], 800);
	cr_assert_null(mp_groups_find(t, 200, 0));
	cr_assert_eq(mp_groups_at(t, 7, 0)->sum[0], 1, "what was there stays");
	mp_groups_free(t);
}

Test(groups, sums_do_not_wrap)
{
	int64_t sum = INT64_MAX - 1;

	mp_groups_add(&sum, 5);
	cr_assert_eq(sum, INT64_MAX);
	mp_groups_add(&sum, -1);
	cr_assert_eq(sum, INT64_MAX - 1);
	sum = INT64_MIN + 1;
	mp_groups_add(&sum, INT64_MIN);
	cr_assert_eq(sum, INT64_MIN);
}

Test(groups, texts_have_numbers)
{
	struct mp_labels *labels = mp_labels_new(500);
	char text[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 1000; i++) {
			int n =
			    snprintf(text, sizeof(text), "%.*s%d", i % 20, "ran: kworker/1:2/ or other", i);

			cr_assert_eq(mp_labels_id(labels, text, (size_t)n), i < 500 ? i : MP_GROUPS_REST);
		}
	cr_assert_str_eq(mp_labels_text(labels, 21), "r21");
	cr_assert_null(mp_labels_text(labels, MP_GROUPS_REST));
	cr_assert_null(mp_labels_text(labels, 500));
	mp_labels_free(labels);
}

static int by_slowness(const void *a, const void *b)
{
	const struct mp_slow_call *x = a, *y = b;

	if (x->dur_ns != y->dur_ns)
		return x->dur_ns > y->dur_ns ? -1 : 1;
	return x->call_id < y->call_id ? -1 : x->call_id > y->call_id;
}

Test(slowest, are_those_that_sorting_finds)
{
	static const size_t tops[] = {0, 1, 2, 7, 100, 1999, 2000, 5000};
	static struct mp_slow_call calls[2000];
	uint64_t random = 88172645463325252ULL;

	for (size_t k = 0; k < sizeof(tops) / sizeof(*tops); k++) {
		struct mp_slowest *s = mp_slowest_new(tops[k]);
		size_t n;

		for (int64_t i = 0; i < 2000; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			calls[i] = (struct mp_slow_call){(int64_t)(random % 300), i};
			mp_slowest_offer(s, calls[i].dur_ns, calls[i].call_id);
		}
		qsort(calls, 2000, sizeof(*calls), by_slowness);
		const struct mp_slow_call *found = mp_slowest_sort(s, &n);
		cr_assert_eq(n, tops[k] < 2000 ? tops[k] : 2000);
		for (size_t i = 0; i < n; i++)
			cr_assert(found[i].dur_ns == calls[i].dur_ns && found[i].call_id == calls[i].call_id);
		mp_slowest_free(s);
	}
}
