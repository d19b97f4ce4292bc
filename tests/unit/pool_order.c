/* SPDX-License-Identifier: MIT */
/* The order in which a pool gives out again, against a list that is searched. */
#include "sampler/pools/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OBJECTS 6000

static struct mp_pool_order o;
static uint32_t turn_of[MAX_OBJECTS];

/* The model: numbers of the objects in the pool, first put first. */
static uint32_t list[MAX_OBJECTS];
static uint32_t n_list;

static void setup(void)
{
	o = (struct mp_pool_order){0};
	memset(turn_of, 0, sizeof(turn_of));
	n_list = 0;
	srand(11);
}

static void teardown(void)
{
	mp_pool_order_free(&o);
	cr_expect(!o.tree && !o.owner && !o.n);
}

TestSuite(pool_order, .init = setup, .fini = teardown, .timeout = 60);

static void put(uint32_t number)
{
	cr_assert(mp_pool_order_put(&o, number, turn_of));
	cr_assert(turn_of[number - 1]);
	list[n_list++] = number;
	cr_assert_eq(o.n, n_list);
}

static void get_at(uint32_t at)
{
	uint32_t number = list[at], later = mp_pool_order_get(&o, turn_of[number - 1]);

	cr_assert_eq(later, n_list - 1 - at, "object %u: %u, should be %u", number, later, n_list - 1 - at);
	turn_of[number - 1] = 0;
	memmove(list + at, list + at + 1, (--n_list - at) * sizeof(*list));
	cr_assert_eq(o.n, n_list);
}

Test(pool_order, a_stack_and_a_queue)
{
	for (uint32_t i = 1; i <= 10; i++)
		put(i);
	get_at(9); /* last in, first out: none was put later */
	get_at(8);
	get_at(0); /* first in, first out: all others were */
	put(1);
	get_at(n_list - 1);
}

/* One object in and out: its turns run out every 1024 puts, and all is numbered anew. */
Test(pool_order, few_objects_many_turns)
{
	put(2);
	put(3);
	for (int i = 0; i < 5000; i++) {
		put(1);
		get_at(2);
		cr_assert_leq(o.room, 1024);
	}
	get_at(0);
	get_at(0);
}

/* More than the first room, emptied, and filled again. */
Test(pool_order, it_grows_with_what_is_in_it)
{
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 1; i <= MAX_OBJECTS; i++)
			put(i);
		cr_assert_leq(o.room, 4 * MAX_OBJECTS);
		for (uint32_t i = 0; i < MAX_OBJECTS; i++)
			get_at(i % 2 ? 0 : n_list - 1);
	}
}

Test(pool_order, random_puts_and_gets)
{
	uint32_t out[MAX_OBJECTS], n_out = MAX_OBJECTS;

	for (uint32_t i = 0; i < MAX_OBJECTS; i++)
		out[i] = i + 1;
	for (int i = 0; i < 200000; i++) {
		/* It fills and empties in waves: all sizes, and turns that are mostly of objects that are
		 * gone. */
		bool puts = rand() % 100 < (i / 20000 % 2 ? 35 : 65);
		if (puts && n_out) {
			uint32_t at = (uint32_t)rand() % n_out;
			put(out[at]);
			out[at] = out[--n_out];
		} else if (!puts && n_list) {
			uint32_t at = (uint32_t)rand() % n_list;
			out[n_out++] = list[at];
			get_at(at);
		}
	}
	/* Turns that the others were told are theirs still. */
	for (uint32_t i = 0; i < n_list; i++)
		cr_assert_eq(o.owner[turn_of[list[i] - 1]], list[i]);
}
