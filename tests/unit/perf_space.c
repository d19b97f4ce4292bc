/* SPDX-License-Identifier: MIT */
#include "sampler/perf/space.h"

#include <criterion/criterion.h>
#include <errno.h>

static int map(struct mp_spaces *s, uint32_t pid, uint64_t start, uint64_t end, uint32_t module)
{
	const struct mp_space_map m = {start, end, start / 2, "f", module};

	return mp_spaces_map(s, pid, &m);
}

/* The module there, and that its offset is what it was. */
static uint32_t at(struct mp_spaces *s, uint32_t pid, uint64_t addr)
{
	const struct mp_space_map *m = mp_spaces_find(s, pid, addr, NULL);

	return m ? m->module : 0;
}

Test(perf_space, a_later_mapping_takes_the_place)
{
	struct mp_spaces *s = mp_spaces_new();

	map(s, 1, 100, 200, 1);
	map(s, 1, 300, 400, 2);
	map(s, 1, 150, 350, 3);
	cr_assert_eq(at(s, 1, 99), 0);
	cr_assert_eq(at(s, 1, 100), 1);
	cr_assert_eq(at(s, 1, 149), 1);
	cr_assert_eq(at(s, 1, 150), 3);
	cr_assert_eq(at(s, 1, 349), 3);
	cr_assert_eq(at(s, 1, 350), 2);
	cr_assert_eq(at(s, 1, 400), 0);
	cr_assert_eq(mp_spaces_find(s, 1, 360, NULL)->file_offset, 150 + 50); /* of what was cut in front */
	map(s, 1, 200, 210, 4);                                               /* in the midst of one */
	cr_assert(at(s, 1, 199) == 3 && at(s, 1, 205) == 4 && at(s, 1, 210) == 3);
	map(s, 1, 0, UINT64_MAX, 5);
	cr_assert(at(s, 1, 0) == 5 && at(s, 1, 205) == 5 && at(s, 1, UINT64_MAX - 1) == 5);
	cr_assert_eq(at(s, 2, 100), 0);
	mp_spaces_free(s);
}

Test(perf_space, the_next_one_above)
{
	struct mp_spaces *s = mp_spaces_new();
	const struct mp_space_map *above;

	map(s, 1, 100, 200, 1);
	map(s, 1, 300, 400, 2);
	cr_assert_null(mp_spaces_find(s, 1, 250, &above));
	cr_assert(above && above->module == 2);
	cr_assert(mp_spaces_find(s, 1, 350, &above));
	cr_assert_null(above);
	cr_assert_null(mp_spaces_find(s, 9, 350, &above));
	cr_assert_null(above);
	mp_spaces_free(s);
}

Test(perf_space, fork_exec_exit)
{
	struct mp_spaces *s = mp_spaces_new();

	map(s, 1, 100, 200, 1);
	cr_assert_eq(mp_spaces_fork(s, 1, 2), 0);
	map(s, 1, 100, 200, 3); /* the parent's change is its own */
	cr_assert(at(s, 2, 100) == 1 && at(s, 1, 100) == 3);
	mp_spaces_exec(s, 2);
	cr_assert_eq(at(s, 2, 100), 0);
	mp_spaces_exit(s, 1);
	cr_assert_eq(at(s, 1, 100), 3); /* a late sample */
	map(s, 2, 500, 600, 7);
	cr_assert_eq(mp_spaces_fork(s, 2, 1), 0); /* the number is used again */
	cr_assert(at(s, 1, 100) == 0 && at(s, 1, 500) == 7);
	cr_assert_eq(mp_spaces_fork(s, 77, 78), 0); /* of an unknown parent */
	mp_spaces_free(s);
}

/* When there are too many, those of ended processes go; then no more are taken. */
Test(perf_space, memory_is_bounded)
{
	struct mp_spaces *s = mp_spaces_new();
	uint32_t pid = 1;
	int ret = 0;

	map(s, 1, 10, 20, 1);
	for (uint64_t i = 2; i < 65000; i++)
		cr_assert_eq(map(s, 1, i * 10, i * 10 + 5, 1), 0);
	while (!(ret = mp_spaces_fork(s, 1, ++pid)))
		cr_assert_lt(pid, 40u);
	cr_assert_eq(ret, -E2BIG);
	cr_assert_eq(mp_spaces_fork(s, 1, 100), -E2BIG);
	mp_spaces_exit(s, 2);
	cr_assert_eq(mp_spaces_fork(s, 1, 100), 0);
	cr_assert(at(s, 2, 10) == 0 && at(s, 100, 10) == 1);
	mp_spaces_free(s);
}
