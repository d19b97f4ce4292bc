/* SPDX-License-Identifier: MIT */
/* The account of one pool: what gets and puts turn out to be, and the figures that come of them, by hand. */
#include "sampler/pools/account.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "store/histogram.h"

static struct mp_pool_account a;
static struct mp_pool_limit limit;

static void setup(void)
{
	a = (struct mp_pool_account){.is_whole = true};
	limit = (struct mp_pool_limit){.max = 100000, .users_max = 64, .tids_max = 64};
}

static void teardown(void)
{
	mp_pool_account_free(&a, &limit);
	cr_expect(!limit.n && !limit.users && !limit.tids, "what it had is there for others");
}

TestSuite(pool_account, .init = setup, .fini = teardown, .timeout = 60);

static struct mp_pool_deed deed(uint64_t ptr, int64_t t_ns)
{
	return (struct mp_pool_deed){.ptr = ptr, .tid = 1, .t_ns = t_ns, .dur_ns = -1, .place = 1};
}

static enum mp_pool_finding get(uint64_t ptr, int64_t t_ns)
{
	const struct mp_pool_deed d = deed(ptr, t_ns);

	return mp_pool_account_get(&a, &d, &limit);
}

static enum mp_pool_finding put(uint64_t ptr, int64_t t_ns)
{
	const struct mp_pool_deed d = deed(ptr, t_ns);

	return mp_pool_account_put(&a, &d, &limit);
}

static void get_at(uint64_t ptr, int64_t t_ns, pid_t tid, uint32_t place, uint64_t bytes)
{
	const struct mp_pool_deed d = {ptr, bytes, tid, t_ns, -1, place, 0};

	mp_pool_account_get(&a, &d, &limit);
}

static const struct mp_pool_user *user_of(uint32_t place)
{
	for (size_t i = 0; i < a.user_index.n; i++)
		if (a.users[i].place == place)
			return &a.users[i];
	cr_assert(false, "no user %u", place);
	return NULL;
}

static int add_up(void *ctx, uint32_t bucket, uint64_t count)
{
	uint64_t *sums = ctx;

	sums[0] += count;
	sums[1] += count * mp_hist_lo_ns(bucket);
	return 0;
}

/* ---- Durations ---- */

Test(pool_account, quantiles)
{
	struct mp_pool_hist h = {0};
	uint64_t sums[2] = {0};

	cr_expect_eq(mp_pool_hist_quantile(&h, 0.5), -1);
	for (uint64_t ns = 100; ns >= 1; ns--)
		cr_assert(mp_pool_hist_count(&h, ns));
	cr_expect_eq(mp_pool_hist_quantile(&h, 0), 1);
	cr_expect_eq(mp_pool_hist_quantile(&h, 0.5), 50);
	cr_expect_eq(mp_pool_hist_quantile(&h, 0.99), 99);
	cr_expect_eq(mp_pool_hist_quantile(&h, 1), 100);
	cr_expect_eq(mp_pool_hist_drain(&h, add_up, sums), 0);
	cr_expect(sums[0] == 100 && sums[1] == 5050);
	cr_expect_eq(mp_pool_hist_quantile(&h, 0.5), -1, "it is empty");
	mp_pool_hist_count(&h, UINT64_MAX);
	cr_expect_eq(mp_pool_hist_quantile(&h, 0.5),
	    (int64_t)((mp_hist_lo_ns(MP_HIST_BUCKETS - 1) + mp_hist_hi_ns(MP_HIST_BUCKETS - 1)) / 2));
	mp_pool_hist_free(&h);
}

static int fail(void *ctx, uint32_t bucket, uint64_t count)
{
	(void)bucket, (void)count;
	return ++*(int *)ctx == 2 ? -5 : 0;
}

Test(pool_account, a_histogram_that_could_not_be_written_is_empty_too)
{
	struct mp_pool_hist h = {0};
	int calls = 0;

	for (uint64_t ns = 0; ns < 5; ns++)
		mp_pool_hist_count(&h, ns);
	cr_expect_eq(mp_pool_hist_drain(&h, fail, &calls), -5);
	cr_expect_eq(calls, 2);
	cr_expect_eq(mp_pool_hist_quantile(&h, 0.5), -1);
	mp_pool_hist_free(&h);
}

/* ---- Gets and puts ---- */

Test(pool_account, gets_and_puts)
{
	cr_expect_eq(get(0x10, 100), MP_POOL_FINE);
	cr_expect_eq(get(0x20, 200), MP_POOL_FINE);
	cr_expect_eq(get(0x30, 250), MP_POOL_FINE);
	cr_expect_eq(put(0x20, 260), MP_POOL_FINE);
	cr_expect_eq(put(0x10, 300), MP_POOL_FINE);
	mp_pool_account_sum(&a, -1, true);
	cr_expect(a.sum.gets == 3 && a.sum.puts == 2 && a.sum.in_use == 1 && a.sum.in_use_max == 3);
	cr_expect(a.sum.in_use_max_t_ns == 250 && a.sum.in_use_max_tid == 1 && a.high_place == 1);
	cr_expect(
	    a.sum.objects == 3 && a.sum.threads == 1 && a.sum.reuses == 0 && a.sum.reuse_depth_p50 == -1);
	cr_expect(a.sum.in_use_bytes_max == -1 && a.sum.requested_bytes == -1, "no size was told");
	cr_expect(a.use.gets == 3 && a.use.puts == 2 && a.use.in_use_min == 0 && a.use.in_use_max == 3);
	cr_expect(mp_pool_account_has_out(&a, 0x30) && !mp_pool_account_has_out(&a, 0x10) &&
		  !mp_pool_account_has_out(&a, 0x999));
	const struct mp_pool_user *u = user_of(1);
	cr_expect(
	    u->gets == 3 && u->holds == 2 && u->hold_sum_ns == 260 && u->hold_max_ns == 200 && u->held == 1);
	cr_expect_eq(mp_pool_hist_quantile(&a.hold_hist, 0.5), 60);
}

Test(pool_account, durations_are_those_that_are_told)
{
	uint64_t gets[2] = {0}, puts[2] = {0};
	struct mp_pool_deed d = deed(0x10, 1);

	mp_pool_account_get(&a, &d, &limit);
	d.dur_ns = 40;
	mp_pool_account_put(&a, &d, &limit);
	d.dur_ns = 50;
	mp_pool_account_get(&a, &d, &limit);
	mp_pool_account_empty(&a, -1, 70);
	mp_pool_account_empty(&a, -1, -1);
	mp_pool_hist_drain(&a.get_hist, add_up, gets);
	mp_pool_hist_drain(&a.put_hist, add_up, puts);
	cr_expect(gets[0] == 2 && gets[1] == 120 && puts[0] == 1 && puts[1] == 40);
}

Test(pool_account, a_slot_begins_with_what_is_out)
{
	get(1, 1);
	get(2, 2);
	a.is_used = false; /* it is written */
	put(1, 3);
	get(1, 4);
	cr_expect(a.is_used && a.use.in_use_max == 2 && a.use.in_use_min == 1 && a.use.gets == 1);
}

Test(pool_account, what_is_put_back_twice)
{
	get(1, 1);
	put(1, 2);
	cr_expect_eq(put(1, 3), MP_POOL_DOUBLE);
	cr_expect(a.in_use == 0 && a.sum.double_puts == 1 && a.sum.puts == 2);
	cr_expect_eq(get(1, 4), MP_POOL_FINE, "it is in the pool once");
	cr_expect_eq(a.order.n, 0);
	cr_expect_eq(a.sum.reuses, 1);
}

Test(pool_account, what_is_taken_twice)
{
	get_at(1, 10, 1, 1, 100);
	const struct mp_pool_deed d = {1, 70, 2, 20, -1, 2, 0};
	cr_expect_eq(mp_pool_account_get(&a, &d, &limit), MP_POOL_TWICE);
	cr_expect(a.in_use == 1 && a.sum.in_use_max == 1 && a.sum.gets == 2 && a.in_use_bytes == 70);
	cr_expect(user_of(1)->held == 0 && user_of(2)->held == 1);
	cr_expect_eq(put(1, 30), MP_POOL_FINE);
	cr_expect(
	    a.in_use == 0 && a.in_use_bytes == 0 && user_of(2)->held == 0 && user_of(2)->hold_sum_ns == 10);
	cr_expect_eq(put(1, 40), MP_POOL_DOUBLE);
}

Test(pool_account, what_another_pool_gave_out)
{
	get(1, 1);
	cr_expect_eq(put(2, 2), MP_POOL_UNKNOWN);
	mp_pool_account_foreign(&a);
	cr_expect(a.in_use == 1 && a.sum.foreign_puts == 1 && a.sum.puts == 1);
	cr_expect_eq(put(2, 3), MP_POOL_UNKNOWN, "it is not kept");
	cr_expect_eq(a.object_index.n, 1);
}

Test(pool_account, what_was_out_before_the_recording)
{
	struct mp_pool_deed d = deed(7, 5);

	cr_expect_eq(put(7, 5), MP_POOL_UNKNOWN);
	mp_pool_account_older(&a, &d, &limit);
	cr_expect(a.in_use == -1 && a.use.in_use_min == -1 && a.use.in_use_max == 0 && a.sum.older_puts == 1);
	cr_expect_eq(put(7, 6), MP_POOL_DOUBLE, "it is known now");
	cr_expect_eq(get(7, 7), MP_POOL_FINE);
	mp_pool_account_sum(&a, 64, true);
	cr_expect(a.in_use == 0 && a.sum.in_use_max == 0 && a.sum.reuses == 1 && a.sum.objects == 1);
	cr_expect(a.sum.lines == 2 && a.sum.lines_least == 0, "7 to 70; of which none need be out");
}

Test(pool_account, a_clear_brings_all_back)
{
	get_at(1, 10, 1, 1, 8);
	get_at(2, 20, 1, 2, 8);
	get_at(3, 25, 1, 2, 8);
	put(1, 30);
	cr_expect_eq(mp_pool_account_clear(&a, 50), 2);
	cr_expect(a.in_use == 0 && a.in_use_bytes == 0 && a.use.in_use_min == 0 && a.order.n == 3);
	cr_expect(user_of(2)->holds == 2 && user_of(2)->hold_sum_ns == 55 && user_of(2)->held == 0);
	cr_expect(user_of(2)->at_high_water == 2 && user_of(1)->at_high_water == 1);
	cr_expect(a.sum.puts == 1 && a.sum.in_use_max == 3);
	cr_expect_eq(put(2, 60), MP_POOL_DOUBLE);
	cr_expect_eq(mp_pool_account_clear(&a, 60), 0);
	cr_expect_eq(get(1, 70), MP_POOL_FINE);
}

/* Gets and puts were lost: what looks wrong may be right. */
Test(pool_account, with_gaps_all_only_counts)
{
	get(1, 10);
	mp_pool_account_lost(&a, 5, 2, 15);
	cr_expect(a.has_gaps && a.in_use == 4 && a.sum.gets == 6 && a.sum.puts == 2 && a.sum.lost == 7);
	cr_expect(
	    a.sum.in_use_max == 4 && a.sum.in_use_max_t_ns == 15 && !a.sum.in_use_max_tid && !a.high_place,
	    "the most was in what was lost");
	cr_expect_eq(get(1, 20), MP_POOL_FINE, "its put was lost");
	cr_expect_eq(a.in_use, 5);
	cr_expect_eq(put(2, 30), MP_POOL_FINE, "its get was lost");
	cr_expect_eq(put(1, 30), MP_POOL_FINE);
	cr_expect_eq(put(1, 40), MP_POOL_FINE);
	cr_expect_eq(a.in_use, 2);
	cr_expect(!a.sum.double_puts && !a.sum.foreign_puts && !a.sum.older_puts);
	mp_pool_account_lost(&a, 0, 2, 50);
	cr_expect(a.in_use == 0 && a.use.in_use_min == 0);
}

Test(pool_account, who_holds_at_the_high_water)
{
	get_at(1, 1, 1, 11, 0);
	get_at(2, 2, 1, 11, 0);
	get_at(3, 3, 5, 12, 0);
	put(1, 4);
	cr_expect(user_of(11)->at_high_water == 2 && user_of(12)->at_high_water == 1);
	get_at(1, 5, 1, 12, 0); /* as many as before: no new high water */
	cr_expect(a.sum.in_use_max_t_ns == 3 && a.sum.in_use_max_tid == 5 && a.high_place == 12);
	put(2, 6);
	cr_expect(user_of(11)->at_high_water == 2 && user_of(12)->at_high_water == 1);
	get_at(2, 7, 6, 13, 0);
	get_at(4, 8, 6, 13, 0);
	mp_pool_account_sum(&a, -1, true); /* it ends while it rises */
	cr_expect(a.sum.in_use_max == 4 && a.sum.in_use_max_t_ns == 8 && a.sum.in_use_max_tid == 6);
	cr_expect(user_of(11)->at_high_water == 0 && user_of(12)->at_high_water == 2 &&
		  user_of(13)->at_high_water == 2);
}

Test(pool_account, puts_by_other_threads)
{
	get_at(1, 1, 1, 1, 0);
	get_at(2, 1, 2, 1, 0);
	get_at(3, 1, 3, 1, 0);
	put(1, 2);
	put(2, 2);
	put(3, 2);
	mp_pool_account_sum(&a, -1, false);
	cr_expect(a.sum.cross_puts == 2 && a.sum.threads == 3);
}

Test(pool_account, failures_that_need_not_have_been)
{
	mp_pool_account_empty(&a, 0, -1);
	mp_pool_account_empty(&a, -1, -1);
	mp_pool_account_empty(&a, 3, -1);
	mp_pool_account_empty(&a, 2, -1);
	cr_expect(a.sum.failures == 4 && a.use.failures == 4 && a.sum.hidden_failures == 2 &&
		  a.sum.hidden_max == 3);
	cr_expect_eq(a.in_use, 0);
}

Test(pool_account, bytes_that_were_asked_for)
{
	get_at(1, 1, 1, 1, 100);
	get_at(2, 2, 1, 1, 50);
	put(1, 3);
	get_at(1, 4, 1, 1, 30);
	get_at(3, 5, 1, 1, 0); /* not told */
	mp_pool_account_sum(&a, -1, false);
	cr_expect(a.in_use_bytes == 80 && a.sum.in_use_bytes_max == 150 && a.sum.requested_bytes == 180);
	cr_expect_eq(a.use.in_use_bytes_max, 150);
	a.is_used = false;
	put(1, 6);
	cr_expect_eq(a.use.in_use_bytes_max, 80);
}

/* Sums do not overflow, and come back to 0. */
Test(pool_account, bytes_beyond_belief)
{
	get_at(1, INT64_MIN, 1, 1, UINT64_MAX);
	get_at(2, 2, 1, 1, INT64_MAX);
	get_at(3, 3, 1, 1, 1);
	get_at(4, 3, 1, 1, INT64_MAX);
	mp_pool_account_sum(&a, INT64_MAX, true);
	cr_expect(a.in_use_bytes == INT64_MAX && a.sum.requested_bytes == INT64_MAX);
	cr_expect(a.sum.lines == -1 && a.sum.pages == -1);
	for (uint64_t i = 1; i <= 4; i++)
		cr_expect_eq(put(i, INT64_MAX), MP_POOL_FINE);
	cr_expect(a.in_use_bytes == 0 && a.in_use == 0);
}

/* ---- Order ---- */

Test(pool_account, last_in_first_out_and_the_other_way_round)
{
	for (uint64_t i = 1; i <= 5; i++)
		get(i, 1);
	for (uint64_t i = 1; i <= 5; i++)
		put(i, 2);
	get(5, 3); /* LIFO, depth 0 */
	get(1, 4); /* FIFO, depth 3 */
	get(3, 5); /* neither: of 2 3 4, depth 1 */
	cr_expect(a.sum.reuses == 3 && a.sum.lifo_reuses == 1 && a.sum.fifo_reuses == 1);
	mp_pool_account_sum(&a, -1, false);
	cr_expect_eq(a.sum.reuse_depth_p50, 1);
	get(2, 6);
	get(4, 7); /* the only one: first and last */
	cr_expect(a.sum.reuses == 5 && a.sum.lifo_reuses == 2 && a.sum.fifo_reuses == 3);
	get(6, 8); /* new: no reuse */
	cr_expect_eq(a.sum.reuses, 5);
}

/* ---- Where they lie ---- */

static void expect_spread(int64_t bytes, int64_t lines, int64_t least, int64_t pages, int64_t pages_least)
{
	mp_pool_account_sum(&a, bytes, true);
	cr_expect(a.sum.lines == lines && a.sum.lines_least == least && a.sum.pages == pages &&
		      a.sum.pages_least == pages_least,
	    "of %ld bytes: %ld lines of %ld, %ld pages of %ld", bytes, a.sum.lines, a.sum.lines_least,
	    a.sum.pages, a.sum.pages_least);
}

Test(pool_account, lines_and_pages_one_behind_the_other)
{
	/* 64 objects of 96 bytes from the beginning of a page: 6144 bytes, 96 lines, a page and a half. */
	for (uint64_t i = 0; i < 64; i++)
		get(0x10000 + i * 96, 1);
	expect_spread(96, 96, 96, 2, 2);
	/* The same seen as objects of 64 bytes: 96 apart, of every three lines all are touched. */
	expect_spread(64, 96, 64, 2, 1);
	/* Of 1 byte: 64 objects in lines 0 1 3 4 6 7 ..., two of three. */
	expect_spread(1, 64, 1, 2, 1);
	expect_spread(0, -1, -1, -1, -1);
	expect_spread(-1, -1, -1, -1, -1);
}

Test(pool_account, lines_and_pages_across_borders)
{
	get(0x1000, 1);     /* 4096..4191: lines 64 65, page 1 */
	get(0x1060, 1);     /* 4192..4287: lines 65 66, page 1 */
	get(0x2000 - 2, 1); /* 8190..8285: lines 127 128 129, pages 1 2 */
	get(0x10000000, 1); /* two lines, a page */
	put(0x10000000, 2); /* still one that was out once */
	get(0x2000 - 2, 3); /* taken twice: it is one */
	expect_spread(96, 3 + 3 + 2, 6, 3, 1);
}

Test(pool_account, an_object_at_the_end_of_all_addresses)
{
	get(UINT64_MAX - 10, 1); /* it would go on at 0 */
	get(0x40, 1);
	expect_spread(64, 1, 2, 1, 1);
}

Test(pool_account, overlapping_objects)
{
	get(0x1000, 1);
	get(0x1001, 1);
	get(0x1002, 1);
	expect_spread(4096, 65, 192, 2, 3);
}

/* ---- Limits ---- */

Test(pool_account, objects_that_find_no_room)
{
	limit.max = 2;
	get_at(1, 1, 1, 1, 10);
	get_at(2, 1, 1, 1, 10);
	get_at(3, 1, 1, 1, 10);
	cr_expect(a.in_use == 3 && limit.lost == 1 && limit.n == 2 && a.object_index.n == 2);
	cr_expect(
	    a.in_use_bytes == 20 && a.requested_bytes == 30, "nothing will tell that its bytes are back");
	cr_expect_eq(user_of(1)->held, 2);
	cr_expect_eq(put(3, 2), MP_POOL_FINE, "it may be the one that found no room");
	cr_expect_eq(a.in_use, 2);
	cr_expect_eq(put(1, 2), MP_POOL_FINE);
	cr_expect_eq(put(1, 2), MP_POOL_DOUBLE, "what is known is known");
	cr_expect_eq(put(2, 2), MP_POOL_FINE);
	cr_expect(a.in_use == 0 && a.in_use_bytes == 0);
}

Test(pool_account, accounts_share_the_limit)
{
	struct mp_pool_account other = {.is_whole = true};
	const struct mp_pool_deed d = deed(9, 1);

	limit.max = 2;
	get(1, 1);
	mp_pool_account_get(&other, &d, &limit);
	get(2, 1);
	cr_expect_eq(limit.lost, 1);
	mp_pool_account_free(&other, &limit);
	cr_expect_eq(limit.n, 1);
	get(3, 1);
	cr_expect(limit.lost == 1 && a.object_index.n == 2);
}

/* Nobody keeps the objects: their owner says what is back. */
Test(pool_account, without_any_objects)
{
	struct mp_pool_limit none = {.lost = 1, .users_max = 4, .tids_max = 4};
	const struct mp_pool_deed d = {0, 100, 1, 5, -1, 3, 0};

	for (int i = 0; i < 3; i++)
		cr_expect_eq(mp_pool_account_get(&a, &d, &none), MP_POOL_FINE);
	cr_expect(a.in_use == 3 && a.in_use_bytes == 300 && user_of(3)->gets == 3 && user_of(3)->held == 0);
	cr_expect_eq(mp_pool_account_put(&a, &d, &none), MP_POOL_FINE);
	mp_pool_account_return(&a, 2, 300);
	cr_expect(a.in_use == 0 && a.in_use_bytes == 0 && !a.sum.double_puts && !a.sum.foreign_puts);
	mp_pool_account_free(&a, &none);
}

Test(pool_account, places_and_threads_of_too_many)
{
	limit.users_max = 3;
	limit.tids_max = 2;
	for (uint32_t i = 1; i <= 5; i++)
		get_at(i, i, (pid_t)i, i, 0);
	get_at(6, 6, 1, 1, 0); /* known */
	get_at(7, 7, 1, 0, 0); /* no place is told: none is lost */
	mp_pool_account_sum(&a, -1, true);
	cr_expect(a.user_index.n == 3 && limit.users_lost == 2 && limit.tids_lost == 3 && a.sum.threads == 2);
	cr_expect_eq(a.in_use, 7);
	cr_expect_eq(user_of(1)->held, 2);
	for (uint64_t i = 1; i <= 7; i++)
		cr_expect_eq(put(i, 10), MP_POOL_FINE);
	cr_expect_eq(user_of(1)->held, 0);
}

Test(pool_account, the_oldest_that_a_place_holds)
{
	get_at(1, 30, 1, 1, 0);
	get_at(2, 10, 1, 1, 0);
	get_at(3, 5, 1, 2, 0);
	cr_expect_eq(mp_pool_account_oldest(&a, 1), 10);
	put(2, 40);
	cr_expect_eq(mp_pool_account_oldest(&a, 1), 30);
	put(1, 40);
	cr_expect_eq(mp_pool_account_oldest(&a, 1), 0);
	cr_expect_eq(mp_pool_account_oldest(&a, 2), 5);
}

/* ---- Many at once ---- */

static struct mp_pool_deed many(uint64_t count, int64_t t_ns, int64_t dur_ns)
{
	return (struct mp_pool_deed){.tid = 1, .t_ns = t_ns, .dur_ns = dur_ns, .place = 7, .count = count};
}

static void get_many(uint64_t count, int64_t t_ns)
{
	const struct mp_pool_deed d = many(count, t_ns, 100);

	mp_pool_account_get_many(&a, &d, &limit);
}

static uint64_t put_many(uint64_t count, int64_t t_ns)
{
	const struct mp_pool_deed d = many(count, t_ns, 200);

	return mp_pool_account_put_many(&a, &d);
}

Test(pool_account, many_at_once)
{
	uint64_t sums[2] = {0};

	get_many(32, 10);
	get_many(7, 20);
	cr_expect_eq(put_many(30, 30), 0);
	get_many(5, 40);
	cr_expect(a.in_use == 14 && a.sum.gets == 44 && a.sum.puts == 30);
	cr_expect(a.sum.in_use_max == 39 && a.sum.in_use_max_t_ns == 20 && a.high_place == 7);
	cr_expect(a.use.gets == 44 && a.use.puts == 30 && a.use.in_use_max == 39 && a.use.in_use_min == 0);
	cr_expect(user_of(7)->gets == 44 && user_of(7)->held == 0 && user_of(7)->holds == 0);
	mp_pool_hist_drain(&a.get_hist, add_up, sums);
	cr_expect_eq(sums[0], 3, "durations are of calls");
	mp_pool_account_sum(&a, 64, true);
	cr_expect(
	    a.sum.lines == -1 && a.sum.pages == -1 && a.sum.objects == 0, "nobody knows where they lie");
	cr_expect(a.sum.in_use_bytes_max == -1 && a.sum.threads == 1);
}

/* The pool was there before: what was out then is back, and nothing is wrong. */
Test(pool_account, many_that_were_out_before)
{
	a.is_whole = false;
	get_many(3, 10);
	cr_expect_eq(put_many(10, 20), 0);
	cr_expect(a.in_use == -7 && a.use.in_use_min == -7 && a.sum.foreign_puts == 0 && a.sum.puts == 10);
}

Test(pool_account, many_into_a_new_pool)
{
	a.is_whole = true;
	cr_expect_eq(put_many(100, 1), 0, "its stock");
	cr_expect_eq(put_many(50, 2), 0);
	cr_expect(a.sum.puts == 0 && a.in_use == 0 && !a.is_used);
	get_many(20, 3);
	cr_expect_eq(put_many(25, 4), 5, "nobody got these");
	cr_expect(a.sum.puts == 25 && a.sum.foreign_puts == 5 && a.in_use == 0);
	get_many(4, 5);
	a.has_gaps = true;
	cr_expect_eq(put_many(10, 6), 0, "gets of these may have been lost");
	cr_expect(a.in_use == -6 && a.sum.foreign_puts == 5);
}

/* ---- A model ---- */

/* Random gets and puts of few objects, many of them wrong: in use is what is out, and all sums follow. */
Test(pool_account, a_random_course)
{
	enum { N = 40, PLACES = 5 };
	bool out[N + 1] = {false};
	uint64_t bytes[N + 1] = {0}, held[PLACES + 1] = {0}, doubles = 0, twice = 0, holds = 0;
	uint32_t place_of[N + 1] = {0};
	int64_t in_use = 0, most = 0, sum = 0;

	srand(3);
	for (int64_t t = 1; t < 50000; t++) {
		struct mp_pool_deed d = deed(1 + (uint64_t)rand() % N, t);
		if (rand() % 2) {
			d.bytes = (uint64_t)rand() % 100;
			d.place = 1 + (uint32_t)rand() % PLACES;
			cr_assert_eq(
			    mp_pool_account_get(&a, &d, &limit), out[d.ptr] ? MP_POOL_TWICE : MP_POOL_FINE);
			twice += out[d.ptr];
			in_use += !out[d.ptr];
			held[place_of[d.ptr] * out[d.ptr]]--;
			held[place_of[d.ptr] = d.place]++;
			sum += (int64_t)(d.bytes - bytes[d.ptr]);
			bytes[d.ptr] = d.bytes;
			out[d.ptr] = true;
		} else {
			enum mp_pool_finding found = mp_pool_account_put(&a, &d, &limit);
			if (!out[d.ptr]) {
				cr_assert_neq(found, MP_POOL_FINE);
				doubles += found == MP_POOL_DOUBLE;
				continue;
			}
			cr_assert_eq(found, MP_POOL_FINE);
			in_use--;
			holds++;
			held[place_of[d.ptr]]--;
			sum -= (int64_t)bytes[d.ptr];
			bytes[d.ptr] = 0;
			out[d.ptr] = false;
		}
		most = in_use > most ? in_use : most;
		cr_assert_eq(a.in_use, in_use);
		cr_assert_eq(a.in_use_bytes, sum);
	}
	mp_pool_account_sum(&a, -1, true);
	cr_expect(a.sum.in_use_max == most && a.sum.double_puts == doubles && twice > 0);
	cr_expect_eq(a.order.n, (uint32_t)(N - in_use));
	uint64_t told = 0, high = 0;
	for (uint32_t i = 1; i <= PLACES; i++) {
		cr_expect_eq(user_of(i)->held, held[i]);
		told += user_of(i)->holds;
		high += user_of(i)->at_high_water;
	}
	cr_expect(told == holds && high == (uint64_t)most);
}
