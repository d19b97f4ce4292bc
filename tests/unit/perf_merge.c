/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/merge.h"

struct record {
	struct perf_event_header header;
	uint64_t number;
	uint64_t filling[8];
};

static struct mp_perf_merge m;
static struct {
	uint64_t number;
	int64_t t_ns;
	int ring;
} said[10000];
static size_t n_said;

static void say(void *ctx, const struct perf_event_header *h, int64_t t_ns, int ring)
{
	const struct record *r = (const void *)h;

	cr_assert_eq(ctx, &m);
	said[n_said].number = r->number;
	said[n_said].t_ns = t_ns;
	said[n_said++].ring = ring;
}

/* Of many sizes, as records are. */
static void add(int64_t t_ns, int ring, uint64_t number)
{
	struct record r = {.header = {.size = (uint16_t)(offsetof(struct record, filling) + number % 8 * 8)},
	    .number = number};

	cr_assert(mp_perf_merge_add(&m, t_ns, ring, &r.header));
}

static void end(void)
{
	mp_perf_merge_free(&m);
}

TestSuite(perf_merge, .fini = end);

Test(perf_merge, what_is_newer_waits)
{
	add(30, 1, 3);
	add(10, 2, 1);
	add(20, 1, 2);
	add(20, 2, 4);
	mp_perf_merge_take(&m, 20, say, &m);
	cr_assert_eq(n_said, 3);
	cr_assert(
	    said[0].number == 1 && said[1].number == 2 && said[2].number == 4, "one time: as they came");
	cr_assert_eq(said[0].ring, 2);
	add(25, 3, 5);
	mp_perf_merge_take(&m, 24, say, &m);
	cr_assert_eq(n_said, 3);
	mp_perf_merge_take(&m, INT64_MAX, say, &m);
	cr_assert_eq(n_said, 5);
	cr_assert(said[3].number == 5 && said[4].number == 3);
	cr_assert_eq(said[4].t_ns, 30);
	cr_assert_eq(m.n_bytes, 0);
}

/* Rings that are in order by themselves, looked at again and again: all in order, each once, whole. */
Test(perf_merge, agrees_with_the_order_of_time)
{
	enum { RINGS = 5, RECORDS = 5000 };
	int64_t at[RINGS] = {0};
	unsigned int seed = 1;
	bool seen[RECORDS] = {false};

	for (uint64_t i = 0; i < RECORDS; i++) {
		int ring = rand_r(&seed) % RINGS;
		int64_t oldest = INT64_MAX;

		at[ring] += 1 + rand_r(&seed) % 20;
		add(at[ring], ring, i);
		for (int k = 0; k < RINGS; k++)
			oldest = at[k] < oldest ? at[k] : oldest;
		if (i % 37 == 0)
			mp_perf_merge_take(&m, oldest, say, &m);
	}
	mp_perf_merge_take(&m, INT64_MAX, say, &m);
	cr_assert_eq(n_said, RECORDS);
	for (size_t i = 0; i < n_said; i++) {
		cr_assert(i == 0 || said[i - 1].t_ns <= said[i].t_ns);
		cr_assert(said[i].number < RECORDS && !seen[said[i].number]);
		seen[said[i].number] = true;
	}
}
