/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/samples/objects.h"

static struct mp_objects *o;
static struct {
	uint64_t addr; /* of the object; 0: none */
	int64_t stack_id;
	enum mp_no_object why;
	int answers;
} said[64];
static int n_died;
static int64_t died_at;

static void answer(void *ctx, void *question, struct mp_object *object, enum mp_no_object why)
{
	size_t i = (size_t)(uintptr_t)question;

	(void)ctx;
	said[i].answers++;
	said[i].addr = object ? object->addr : 0;
	said[i].stack_id = object ? object->stack_id : 0;
	said[i].why = why;
	if (object)
		object->object_id = 7;
}

static void died(void *ctx, const struct mp_object *object, int64_t t_ns)
{
	(void)ctx;
	cr_assert_eq(object->object_id, 7);
	n_died++;
	died_at = t_ns;
}

static void begin(void)
{
	const struct mp_objects_answers answers = {answer, died, NULL};

	o = mp_objects_new(&answers);
}

static void end(void)
{
	mp_objects_free(o);
}

TestSuite(objects, .init = begin, .fini = end);

static void born(uint64_t addr, uint64_t size, int64_t start_ns, int64_t end_ns, pid_t tid, int64_t stack_id)
{
	cr_assert(mp_objects_born(o, &(struct mp_birth){addr, size, start_ns, end_ns, tid, stack_id, 0}));
}

static void ask(int question, uint64_t addr, int64_t t_ns, pid_t tid)
{
	cr_assert(mp_objects_ask(o, addr, t_ns, tid, (void *)(uintptr_t)question));
}

Test(objects, a_block_is_alive_from_its_return_to_its_release)
{
	/* Told in the wrong order. */
	ask(1, 0x1010, 150, 9);
	ask(2, 0x1010, 250, 9);
	ask(3, 0x1010, 50, 9);
	ask(4, 0x1020, 150, 9);
	ask(5, 0x0fff, 150, 9);
	mp_objects_died(o, 0x1000, 200, 1);
	born(0x1000, 0x20, 90, 100, 1, 5);
	mp_objects_settle(o, INT64_MAX);
	cr_assert_eq(said[1].addr, 0x1000);
	cr_assert_eq(said[1].stack_id, 5);
	cr_assert_eq(said[2].addr, 0);
	cr_assert_eq(said[2].why, MP_NOT_COVERED);
	cr_assert_eq(said[3].addr, 0);
	cr_assert_eq(said[4].addr, 0);
	cr_assert_eq(said[5].addr, 0);
	cr_assert_eq(said[5].why, MP_NEVER_COVERED);
	cr_assert_eq(n_died, 1);
	cr_assert_eq(died_at, 200);
	cr_assert_eq(mp_objects_alive(o), 0);
	cr_assert_eq(mp_objects_lost(o), 0);
}

Test(objects, an_address_that_is_used_again_is_the_block_s_of_its_time)
{
	/* The second call begins before the first block is released, and gets its address. */
	born(0x1000, 64, 10, 11, 1, 1);
	mp_objects_died(o, 0x1000, 30, 1);
	born(0x1000, 128, 20, 40, 2, 2);
	ask(1, 0x1008, 29, 3);
	ask(2, 0x1008, 41, 3);
	mp_objects_settle(o, INT64_MAX);
	cr_assert_eq(said[1].stack_id, 1);
	cr_assert_eq(said[2].stack_id, 2);
	cr_assert_eq(mp_objects_alive(o), 1);
	cr_assert_eq(mp_objects_lost(o), 0);
}

Test(objects, what_a_thread_touches_inside_the_call_is_the_block_s)
{
	ask(1, 0x5000, 15, 1); /* calloc clears what it will return */
	ask(2, 0x5000, 15, 2); /* another thread has no business there */
	mp_objects_settle(o, 16);
	cr_assert_eq(said[1].answers, 0);
	born(0x5000, 4096, 10, 20, 1, 3);
	born(0x9000, 16, 30, 31, 2, 4);
	mp_objects_settle(o, 100);
	cr_assert_eq(said[1].stack_id, 3);
	cr_assert_eq(said[2].answers, 1);
	cr_assert_eq(said[2].addr, 0);
}

Test(objects, a_question_waits_for_a_call_but_not_for_ever)
{
	ask(1, 0x5000, 100, 1);
	mp_objects_settle(o, 101);
	cr_assert_eq(said[1].answers, 0);
	mp_objects_settle(o, 101 + 2000000000LL);
	cr_assert_eq(said[1].answers, 1);
	cr_assert_eq(said[1].addr, 0);
}

Test(objects, what_is_in_the_way_has_been_released_unseen)
{
	born(0x1000, 0x100, 1, 2, 1, 1);
	born(0x1100, 0x100, 3, 4, 1, 2);
	born(0x1200, 0x100, 5, 6, 1, 3);
	born(0x10f0, 0x100, 7, 8, 1, 4); /* over the ends of two */
	ask(1, 0x1010, 9, 1);
	ask(2, 0x1110, 9, 1);
	ask(3, 0x1200, 9, 1);
	mp_objects_settle(o, INT64_MAX);
	cr_assert_eq(said[1].addr, 0);
	cr_assert_eq(said[2].stack_id, 4);
	cr_assert_eq(said[3].stack_id, 3);
	cr_assert_eq(mp_objects_lost(o), 2);
}

Test(objects, odd_blocks)
{
	born(0x1000, 0, 1, 2, 1, 1);
	born(UINT64_MAX - 10, 4096, 3, 4, 1, 2);
	mp_objects_died(o, 0x7777, 5, 1); /* older than the recording */
	ask(1, 0x1000, 9, 1);
	ask(2, UINT64_MAX - 1, 9, 1);
	ask(3, 0x1001, 9, 1);
	mp_objects_settle(o, INT64_MAX);
	cr_assert_eq(said[1].stack_id, 1);
	cr_assert_eq(said[2].stack_id, 2);
	cr_assert_eq(said[3].addr, 0);
}

/* Against a plain list: random blocks that never overlap, random questions. */
Test(objects, agrees_with_a_plain_search)
{
	enum { PLACES = 200, STEPS = 20000 };
	static struct {
		int64_t id;
		uint64_t size;
	} at[PLACES];
	unsigned int seed = 1;

	for (int64_t t = 1; t <= STEPS; t++) {
		size_t i = (size_t)rand_r(&seed) % PLACES;
		uint64_t addr = 0x10000 + i * 512;

		if (at[i].id) {
			mp_objects_died(o, addr, t * 10, 1);
			at[i].id = 0;
		} else {
			at[i].size = 1 + (uint64_t)rand_r(&seed) % 512;
			at[i].id = t;
			born(addr, at[i].size, t * 10 - 1, t * 10, 1, t);
		}
		size_t k = (size_t)rand_r(&seed) % PLACES;
		uint64_t offset = (uint64_t)rand_r(&seed) % 512;
		ask(1, 0x10000 + k * 512 + offset, t * 10 + 5, 2);
		mp_objects_settle(o, t * 10 + 5);
		/* The asking thread calls nothing: no answer waits for it to return. */
		if (at[k].id && offset < at[k].size)
			cr_assert_eq(said[1].stack_id, at[k].id);
	}
	cr_assert_eq(mp_objects_lost(o), 0);
}
