/* SPDX-License-Identifier: MIT */
/* A queue in the order of time: what stays, what goes, and what a failure leaves. */
#include "sampler/time_queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

struct item {
	struct mp_timed at;
	uint64_t value;
};

struct taken {
	size_t n;
	int64_t t_ns[4096];
	uint64_t value[4096];
	uint64_t fails_at; /* a value; 0: none */
};

static struct mp_time_queue q;
static struct taken taken;

static void setup(void)
{
	q = (struct mp_time_queue){.item_bytes = sizeof(struct item), .max = 4000};
	taken = (struct taken){0};
}

static void teardown(void)
{
	mp_time_queue_free(&q);
	cr_expect_eq(q.items, NULL);
}

TestSuite(time_queue, .init = setup, .fini = teardown, .timeout = 60);

static bool push(int64_t t_ns, uint64_t value)
{
	return mp_time_queue_push(&q, &(struct item){.at.t_ns = t_ns, .at.order = 77, .value = value});
}

static int take(void *ctx, const void *item)
{
	struct taken *t = ctx;
	const struct item *i = item;

	t->t_ns[t->n] = i->at.t_ns;
	t->value[t->n++] = i->value;
	return t->fails_at && i->value == t->fails_at ? -EIO : 0;
}

static int apply(int64_t before_ns)
{
	taken.n = 0;
	return mp_time_queue_apply(&q, before_ns, take, &taken);
}

Test(time_queue, nothing)
{
	cr_expect_eq(apply(INT64_MAX), 0);
	cr_expect_eq(taken.n, 0);
}

Test(time_queue, what_is_older_goes_and_the_rest_stays)
{
	push(30, 3);
	push(10, 1);
	push(20, 2);
	cr_expect_eq(apply(20), 0);
	cr_assert_eq(taken.n, 1);
	cr_expect_eq(taken.value[0], 1);
	push(15, 4); /* came late, and goes before those that wait */
	cr_expect_eq(apply(21), 0);
	cr_assert_eq(taken.n, 2);
	cr_expect(taken.value[0] == 4 && taken.value[1] == 2);
	cr_expect_eq(q.n, 1);
	cr_expect_eq(apply(INT64_MAX), 0);
	cr_assert_eq(taken.n, 1);
	cr_expect_eq(taken.value[0], 3);
}

Test(time_queue, extreme_times)
{
	push(INT64_MAX, 3);
	push(0, 2);
	push(INT64_MIN, 1);
	cr_expect_eq(apply(INT64_MAX), 0);
	cr_assert_eq(taken.n, 2);
	cr_expect(taken.value[0] == 1 && taken.value[1] == 2);
	cr_expect_eq(q.n, 1);
}

/* Also when sorting was in between. */
Test(time_queue, of_one_time_the_order_of_arrival_counts)
{
	for (uint64_t i = 0; i < 1000; i++)
		push(5, i);
	push(9, 9999);
	push(1, 9998);
	cr_expect_eq(apply(2), 0);
	for (uint64_t i = 1000; i < 2000; i++)
		push(5, i);
	cr_expect_eq(apply(6), 0);
	cr_assert_eq(taken.n, 2000);
	for (uint64_t i = 0; i < 2000; i++)
		cr_assert_eq(taken.value[i], i);
}

Test(time_queue, a_failure_is_out_and_those_behind_it_stay)
{
	for (uint64_t i = 1; i <= 5; i++)
		push((int64_t)(10 - i), i); /* applied: 5 4 3 2 1 */
	taken.fails_at = 3;
	cr_expect_eq(apply(INT64_MAX), -EIO);
	cr_expect_eq(taken.n, 3);
	cr_expect_eq(q.n, 2);
	cr_expect_eq(apply(INT64_MAX), 0);
	cr_assert_eq(taken.n, 2);
	cr_expect(taken.value[0] == 2 && taken.value[1] == 1);
}

Test(time_queue, there_is_room_for_so_many)
{
	for (int64_t i = 0; i < 4000; i++)
		cr_assert(push(4000 - i, 1));
	cr_expect(!push(1, 2));
	cr_expect_eq(q.n, 4000);
	cr_expect_eq(apply(2), 0);
	cr_expect_eq(taken.n, 1);
	cr_expect(push(1, 2));
	cr_expect(!push(1, 2));
}

/* Against a plain list: pushes and applies in any order lose nothing, and never step back in one call. */
Test(time_queue, random_pushes_and_applies)
{
	uint64_t pushed = 0, got = 0;

	srand(7);
	for (int round = 0; round < 2000; round++) {
		for (int i = rand() % 8; i > 0; i--)
			pushed += push(rand() % 100 + round, pushed);
		cr_assert_eq(apply(round + rand() % 60), 0);
		got += taken.n;
		for (size_t i = 1; i < taken.n; i++)
			cr_assert(
			    taken.t_ns[i - 1] < taken.t_ns[i] ||
			    (taken.t_ns[i - 1] == taken.t_ns[i] && taken.value[i - 1] < taken.value[i]));
	}
	cr_assert_eq(apply(INT64_MAX), 0);
	cr_expect_eq(got + taken.n, pushed);
}
