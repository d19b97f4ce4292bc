/* SPDX-License-Identifier: MIT */
/* Which blocks the library follows, what it tells of them, and the set that it keeps of those that live. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "sampler/blocks/blocks.h"
#include "sampler/preload/record.h"

enum { RING = 64 };

static struct mp_region region;
static struct {
	struct mp_slot slot;
	struct mp_record ring[RING];
} memory;
static struct mp_slot *const s = &memory.slot;
static struct mp_tracked *const set = &region.tracked;

static void change(uint64_t period)
{
	region.track_bytes = period;
	region.word = ((region.word & ~MP_WORD_MODE) + MP_WORD_CHANGE) | MP_MODE_ACTIVE;
	mp_slot_settings(&region, s, region.word);
}

static void set_up(void)
{
	memset(&region, 0, sizeof(region));
	memset(&memory, 0, sizeof(memory));
	region.ns_per_tick = 1ULL << 32;
	region.lease_ticks = UINT64_MAX;
	for (int op = 0; op < MP_OP_COUNT; op++)
		region.keep_over_ns[op] = UINT64_MAX;
	s->ring_mask = RING - 1;
	s->lines = 1;
	s->random = 88172645463325252ULL;
	s->tid = 4711;
}

TestSuite(track, .init = set_up, .timeout = 60);

static void allocate(uint32_t op, uint64_t size, uint64_t addr, uint64_t given, bool is_tracked)
{
	mp_record_call(&region, s, op, size, addr, (struct mp_stamps){1000, 1010, given, is_tracked},
	    (uint64_t)__builtin_frame_address(0));
}

static void release(uint64_t addr)
{
	allocate(MP_OP_FREE, 0, addr, addr, mp_track_take(set, addr));
}

static bool next(struct mp_record *out)
{
	struct mp_ring_span span;

	for (;;) {
		cr_assert(mp_ring_readable(s, RING, &span));
		if (span.from == span.to)
			return false;
		mp_ring_peek(mp_slot_ring(s), RING, span.from, out);
		mp_ring_release(s, span.from + 1);
		if ((out->what >> MP_KIND_SHIFT & MP_KIND_MASK) != MP_KIND_THREAD)
			return true;
	}
}

static unsigned int kind_of(const struct mp_record *r)
{
	return r->what >> MP_KIND_SHIFT & MP_KIND_MASK;
}

/* ---- The set ---- */

static uint64_t address(uint64_t i)
{
	return 0x7f0000000000ULL + i * 48;
}

Test(track, the_set_holds_what_was_put_in_and_not_taken_out)
{
	enum { N = MP_TRACK_ALIVE };

	for (uint64_t i = 0; i < N; i++)
		cr_assert(mp_track_put(set, address(i)), "%d", (int)i);
	for (uint64_t i = 0; i < 2 * N; i++)
		cr_assert_eq(mp_track_has(set, address(i)), i < N);
	for (uint64_t i = 0; i < 2 * N; i += 2)
		cr_assert_eq(mp_track_take(set, address(i)), i < N);
	for (uint64_t i = 0; i < 2 * N; i++)
		cr_assert_eq(mp_track_has(set, address(i)), i < N && i % 2);
	for (uint64_t i = 1; i < N; i += 2)
		cr_assert(mp_track_take(set, address(i)));
	for (unsigned int i = 0; i < MP_TRACK_FILTER; i++)
		cr_assert_eq(set->filter[i], 0);
}

Test(track, one_address_may_be_in_it_twice)
{
	cr_assert(mp_track_put(set, 0x1000) && mp_track_put(set, 0x1000));
	cr_assert(mp_track_take(set, 0x1000) && mp_track_has(set, 0x1000));
	cr_assert(mp_track_take(set, 0x1000) && !mp_track_has(set, 0x1000) && !mp_track_take(set, 0x1000));
}

Test(track, a_full_set_says_so)
{
	unsigned int n = 0;

	while (mp_track_put(set, address(n)))
		n++;
	cr_assert_gt(n, MP_TRACK_ALIVE);
	mp_track_clear(set);
	cr_assert(mp_track_put(set, address(n)) && !mp_track_has(set, address(0)));
}

static void *come_and_go(void *arg)
{
	uint64_t base = (uint64_t)(uintptr_t)arg;

	for (int round = 0; round < 20000; round++)
		for (uint64_t i = 0; i < 8; i++)
			if (round & 1 ? !mp_track_take(set, address(base + i))
				      : !mp_track_put(set, address(base + i)))
				return arg;
	return NULL;
}

Test(track, threads_do_not_take_one_anothers)
{
	pthread_t threads[4];
	void *failed;

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, come_and_go, (void *)(1 + i * 1000));
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		cr_assert_null(failed);
	}
	for (unsigned int i = 0; i < MP_TRACK_FILTER; i++)
		cr_assert_eq(set->filter[i], 0);
}

/* ---- Drawing ---- */

/* How many of so many blocks of a size are followed: binomial, and here always the same. */
static void check_size(uint64_t size, uint64_t period)
{
	enum { CALLS = 200000 };
	double chance = mp_block_chance(size, period), should = CALLS * chance;
	struct mp_record r;
	double n = 0;

	change(period);
	for (int i = 0; i < CALLS; i++) {
		allocate(MP_OP_MALLOC, size, 0x1000, 0, false);
		while (next(&r))
			n += kind_of(&r) == MP_KIND_BORN && (r.what & MP_WHAT_NS) == period;
		release(0x1000);
		while (next(&r))
			;
		s->tracked = 0; /* as if the recorder had looked: no burst */
	}
	cr_assert(fabs(n - should) < 4 * sqrt(should * (1 - chance) + 1), "%g of %d, should be %g", n, CALLS,
	    should);
}

Test(track, a_block_is_followed_as_likely_as_its_size_says)
{
	check_size(0, 256);
	check_size(16, 1024);
	check_size(1000, 1024);
	check_size(100, 100000);
	check_size(5000, 1000);
}

Test(track, off_is_none)
{
	struct mp_record r;

	change(0);
	for (int i = 0; i < 100000; i++)
		allocate(MP_OP_MALLOC, 1 << 30, 0x1000, 0, false);
	cr_assert(!next(&r));
}

Test(track, a_burst_doubles_the_period)
{
	change(16);
	for (int i = 0; i < MP_TRACKED_TO_DOUBLE; i++) {
		struct mp_record r;

		allocate(MP_OP_MALLOC, 100000, address((uint64_t)i), 0, false);
		while (next(&r))
			;
	}
	cr_assert_eq(s->track_bytes, 32);
	change(16);
	cr_assert_eq(s->track_bytes, 16);
}

/* ---- What is told ---- */

static struct mp_record told(unsigned int kind)
{
	struct mp_record r;

	do
		cr_assert(next(&r));
	while (kind_of(&r) == MP_KIND_CALLER);
	cr_assert_eq(kind_of(&r), kind);
	return r;
}

static void nothing_told(void)
{
	struct mp_record r;

	cr_assert(!next(&r));
}

Test(track, a_birth_and_a_death_tell_when)
{
	change(1);
	allocate(MP_OP_CALLOC, 100, 0x1000, 0, false);
	struct mp_record r = told(MP_KIND_BORN);
	cr_assert(
	    r.addr == 0x1000 && r.size == 100 && r.t == 1010 && r.what >> MP_WEIGHT_SHIFT == MP_OP_CALLOC);
	release(0x1000);
	r = told(MP_KIND_DIED);
	cr_assert(r.addr == 0x1000 && r.t == 1000 && r.what >> MP_WEIGHT_SHIFT == 0);
	release(0x1000);
	nothing_told();
}

Test(track, realloc_ends_one_and_begins_another)
{
	change(1);
	allocate(MP_OP_MALLOC, 100, 0x1000, 0, false);
	told(MP_KIND_BORN);
	allocate(MP_OP_REALLOC, 200, 0x2000, 0x1000, mp_track_take(set, 0x1000));
	struct mp_record r = told(MP_KIND_DIED);
	cr_assert(r.addr == 0x1000 && r.what >> MP_WEIGHT_SHIFT == 1);
	r = told(MP_KIND_BORN);
	cr_assert(r.addr == 0x2000 && r.size == 200);
	allocate(MP_OP_REALLOC, 0, 0, 0x2000, mp_track_take(set, 0x2000)); /* to nothing */
	told(MP_KIND_DIED);
	cr_assert(!mp_track_has(set, 0x1000) && !mp_track_has(set, 0x2000));
}

Test(track, a_realloc_that_fails_ends_nothing)
{
	change(1);
	allocate(MP_OP_MALLOC, 100, 0x1000, 0, false);
	told(MP_KIND_BORN);
	allocate(MP_OP_REALLOC, 1ULL << 60, 0, 0x1000, mp_track_take(set, 0x1000));
	nothing_told();
	cr_assert(mp_track_has(set, 0x1000));
}

Test(track, what_finds_no_room_is_not_followed_and_a_death_shows_in_the_set)
{
	change(1);
	allocate(MP_OP_MALLOC, 100, 0x1000, 0, false);
	while (mp_ring_has_room(s, 1)) /* also the last one, which a death would find */
		mp_ring_push(s, &(struct mp_record){.what = (uint64_t)MP_KIND_MORE << MP_KIND_SHIFT});
	allocate(MP_OP_MALLOC, 100, 0x2000, 0, false);
	cr_assert_eq(region.track_lost, 1);
	cr_assert(!mp_track_has(set, 0x2000) && mp_track_has(set, 0x1000));
	release(0x1000);
	cr_assert(!mp_track_has(set, 0x1000));
}
