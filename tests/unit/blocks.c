/* SPDX-License-Identifier: MIT */
/* Followed blocks: the table of those that live, their order in time, their rows, and what thinning leaves.
 */
#include "sampler/blocks/blocks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/blocks/table.h"
#include "store/op.h"

static char dir[] = "/tmp/mp-blocks-XXXXXX";
static char path[128];
static struct mp_err err;
static struct mp_session *s;
static struct mp_blocks *b;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	cr_assert_eq(mp_session_create(path, false, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	mp_blocks_free(b);
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	unlink(path);
	rmdir(dir);
}

TestSuite(blocks, .init = setup, .fini = teardown, .timeout = 120);

static void begin(const struct mp_blocks_options *o)
{
	mp_blocks_free(b);
	b = mp_blocks_new(s, o);
	cr_assert(b);
}

static void begin_all(void)
{
	begin(&(struct mp_blocks_options){.all = true, .max_alive = 1000, .seed = 1});
}

static void born(uint64_t addr, int64_t t_ns, pid_t tid, uint64_t size)
{
	mp_blocks_born(b, &(struct mp_block_birth){.addr = addr,
			      .size_bytes = size,
			      .t_ns = t_ns,
			      .tid = tid,
			      .op = MP_OP_MALLOC,
			      .stack_id = 3});
}

static void settle(int64_t t_ns)
{
	cr_assert_eq(mp_blocks_settle(b, t_ns, &err), 0, "%s", err.text);
	cr_assert_eq(mp_blocks_write(b, &err), 0, "%s", err.text);
}

static double real(const char *sql)
{
	sqlite3 *db = mp_session_db(s);
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	double value = sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return value;
}

/* All rows, as text. */
static void rows_are(const char *should)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s),
			 "SELECT coalesce(group_concat(t, ' '), '') FROM (SELECT size_bytes || ':' || tid || "
			 "':' || born_ns || '-' || "
			 "coalesce(died_ns, '') || ':' || ended || ':' || coalesce(free_tid, '') AS t FROM "
			 "block ORDER BY "
			 "born_ns, size_bytes)",
			 -1, &st, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_str_eq((const char *)sqlite3_column_text(st, 0), should);
	sqlite3_finalize(st);
}

/* ---- Order ---- */

Test(blocks, births_and_deaths_may_be_told_in_any_order)
{
	begin_all();
	mp_blocks_died(b, 0x10, 200, 2, false);
	born(0x20, 150, 1, 7);
	born(0x10, 100, 1, 5);
	settle(INT64_MAX);
	rows_are("5:1:100-200:1:2 7:1:150-:0:");
	cr_assert_eq(mp_blocks_counts(b).alive, 1);
	cr_assert_eq(mp_blocks_counts(b).lost, 0);
}

Test(blocks, an_address_that_is_used_again_at_once_is_never_in_two)
{
	begin_all();
	born(0x10, 200, 2, 6); /* in the nanosecond in which the first is released; its ring is read first */
	born(0x10, 100, 1, 5);
	mp_blocks_died(b, 0x10, 200, 1, false);
	settle(INT64_MAX);
	rows_are("5:1:100-200:1:1 6:2:200-:0:");
	cr_assert_eq(mp_blocks_counts(b).lost, 0);
}

Test(blocks, what_has_not_been_told_to_its_end_waits)
{
	begin_all();
	born(0x10, 100, 1, 5);
	mp_blocks_died(b, 0x10, 300, 1, false);
	settle(299);
	rows_are("5:1:100-:0:");
	settle(300);
	rows_are("5:1:100-300:1:1");
}

Test(blocks, realloc_ends_one_and_begins_another)
{
	begin_all();
	born(0x10, 100, 1, 5);
	mp_blocks_died(b, 0x10, 200, 1, true);
	born(0x10, 210, 1, 50);
	settle(INT64_MAX);
	rows_are("5:1:100-200:2:1 50:1:210-:0:");
}

Test(blocks, releases_of_what_is_older_are_counted)
{
	begin_all();
	mp_blocks_died(b, 0x10, 50, 1, false);
	mp_blocks_died(b, 0x20, 60, 1, false);
	born(0x10, 100, 1, 5);
	settle(INT64_MAX);
	cr_assert_eq(mp_blocks_counts(b).older, 2);
	rows_are("5:1:100-:0:");
}

/* ---- What nobody told ---- */

Test(blocks, a_new_block_at_its_address_says_that_one_has_ended)
{
	begin_all();
	born(0x10, 100, 1, 5);
	born(0x10, 300, 1, 6);
	settle(INT64_MAX);
	rows_are("5:1:100-100:3: 6:1:300-:0:");
	cr_assert_eq(mp_blocks_counts(b).lost, 1);
}

Test(blocks, an_exec_ends_all)
{
	begin_all();
	born(0x10, 100, 1, 5);
	mp_blocks_all_gone(b, 200);
	born(0x10, 300, 1, 6);
	settle(INT64_MAX);
	rows_are("5:1:100-200:3: 6:1:300-:0:");
}

static uint64_t gone; /* the address that is not in the target's set */

static bool is_alive(void *ctx, uint64_t addr)
{
	(void)ctx;
	return addr != gone;
}

static void begin_with_set(void)
{
	begin(&(struct mp_blocks_options){.max_alive = 1000, .seed = 1, .is_alive = is_alive});
	gone = 0;
	born(0x10, 100, 1, 5);
	born(0x20, 100, 1, 6);
	settle(150);
	cr_assert_eq(mp_blocks_look(b, 200, &err), 0);
}

Test(blocks, one_that_is_not_in_the_set_and_of_which_nothing_comes_is_lost)
{
	begin_with_set();
	gone = 0x10;
	cr_assert_eq(mp_blocks_look(b, 300, &err), 0);
	settle(290);
	cr_assert_eq(mp_blocks_look(b, 310, &err), 0);
	rows_are("5:1:100-:0: 6:1:100-:0:"); /* its end may still be told */
	settle(305);
	cr_assert_eq(mp_blocks_look(b, 400, &err), 0);
	rows_are("5:1:100-200:3: 6:1:100-:0:");
}

Test(blocks, one_whose_end_comes_late_is_not)
{
	begin_with_set();
	gone = 0x10;
	cr_assert_eq(mp_blocks_look(b, 300, &err), 0);
	mp_blocks_died(b, 0x10, 250, 9, false);
	settle(305);
	cr_assert_eq(mp_blocks_look(b, 400, &err), 0);
	rows_are("5:1:100-250:1:9 6:1:100-:0:");
}

Test(blocks, at_the_end_the_set_is_right_at_once)
{
	begin_with_set();
	gone = 0x20;
	settle(INT64_MAX);
	cr_assert_eq(mp_blocks_look(b, 300, &err), 0);
	rows_are("5:1:100-:0: 6:1:100-200:3:");
}

/* ---- Drawing and thinning ---- */

Test(blocks, the_chance_is_that_of_a_point_in_a_block)
{
	cr_assert_eq(mp_block_chance(0, 0), 1);
	cr_assert_float_eq(mp_block_chance(512 * 1024 - 16, 512 * 1024), 1 - exp(-1), 1e-12);
	cr_assert_float_eq(mp_block_chance(0, 1 << 20), 16.0 / (1 << 20), 1e-9);
	cr_assert_float_eq(mp_block_chance(1 << 30, 1024), 1, 1e-12);
	cr_assert_gt(mp_block_chance(UINT64_MAX - 16, 1024), 0.999);
}

static uint64_t state;

static double uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 0x1p53;
}

enum { BLOCKS = 3000, MOST = 400 };

static uint64_t size_of(int i)
{
	return i % 100 == 0 ? 60000 : i % 10 == 0 ? 4000 : 40 + (uint64_t)i % 200;
}

/* Each third dies, half-way. */
static bool dies(int i)
{
	return i % 3 == 0;
}

static void run_course(uint64_t seed, uint64_t period)
{
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	begin(&(struct mp_blocks_options){.max_alive = MOST, .seed = state ^ 12345});
	sqlite3_exec(mp_session_db(s), "DELETE FROM block", NULL, NULL, NULL);
	for (int i = 0; i < BLOCKS; i++) {
		if (uniform() < mp_block_chance(size_of(i), period))
			mp_blocks_born(b, &(struct mp_block_birth){.addr = 16 * (uint64_t)(i + 1),
					      .size_bytes = size_of(i),
					      .period_bytes = period,
					      .t_ns = i,
					      .tid = 1});
		if (i >= BLOCKS / 2 && dies(i - BLOCKS / 2))
			mp_blocks_died(b, 16 * (uint64_t)(i - BLOCKS / 2 + 1), i, 1, false);
		if (i % 500 == 0)
			settle(i);
	}
	settle(INT64_MAX);
	cr_assert_leq(mp_blocks_counts(b).alive, MOST);
}

/* Of many runs: the mean is the truth, within 4 standard errors of it; the stated variance is that of the
 * runs, within a quarter; and 95 % of the stated intervals hold the truth. */
static void check(uint64_t period, const char *estimate, const char *variance, double truth)
{
	enum { RUNS = 300 };
	double sum = 0, square = 0, stated = 0;
	int holds = 0;

	for (int run = 1; run <= RUNS; run++) {
		run_course((uint64_t)run, period);
		double x = real(estimate), v = real(variance);
		sum += x;
		square += (x - truth) * (x - truth);
		stated += v;
		holds += fabs(x - truth) <= 2 * sqrt(v);
	}
	double mean = sum / RUNS, var = square / RUNS;
	cr_assert(
	    fabs(mean - truth) < 4 * sqrt(var / RUNS), "mean %g, truth %g, sd %g", mean, truth, sqrt(var));
	cr_assert(var > stated / RUNS * 0.75 && var < stated / RUNS * 1.25, "variance %g, stated %g", var,
	    stated / RUNS);
	cr_assert_geq(holds, RUNS * 95 / 100, "%d of %d intervals hold the truth", holds, RUNS);
}

static double live_bytes(void)
{
	double sum = 0;

	for (int i = 0; i < BLOCKS; i++)
		sum += i < BLOCKS / 2 && dies(i) ? 0 : (double)size_of(i);
	return sum;
}

static double live_objects(void)
{
	return BLOCKS - BLOCKS / 2 / 3;
}

Test(blocks, thinning_leaves_live_bytes_unbiased)
{
	check(64, "SELECT total(weight * size_bytes) FROM block WHERE ended = 0",
	    "SELECT total(weight * (weight - 1) * size_bytes * size_bytes) FROM block WHERE ended = 0",
	    live_bytes());
	cr_assert_gt(mp_blocks_period(b), 64);
}

Test(blocks, thinning_leaves_numbers_unbiased)
{
	check(64, "SELECT total(weight) FROM block WHERE ended = 0",
	    "SELECT total(weight * (weight - 1)) FROM block WHERE ended = 0", live_objects());
}

Test(blocks, thinning_leaves_what_was_born_unbiased)
{
	check(
	    64, "SELECT total(weight) FROM block", "SELECT total(weight * (weight - 1)) FROM block", BLOCKS);
}

Test(blocks, all_that_are_too_many_are_drawn_from)
{
	check(0, "SELECT total(weight) FROM block", "SELECT total(weight * (weight - 1)) FROM block", BLOCKS);
}

Test(blocks, where_few_are_drawn_none_is_thinned)
{
	check(2000, "SELECT total(weight) FROM block", "SELECT total(weight * (weight - 1)) FROM block",
	    BLOCKS);
	cr_assert_eq(mp_blocks_period(b), 0);
}

/* ---- The table ---- */

Test(blocks, the_table_holds_what_was_added_and_not_removed)
{
	enum { ADDRESSES = 5000, STEPS = 200000 };
	static bool has[ADDRESSES];
	struct mp_block_table *t = mp_block_table_new();
	size_t n = 0;

	state = 4711;
	for (int i = 0; i < STEPS; i++) {
		uint64_t k = (uint64_t)(uniform() * ADDRESSES), addr = (k + 1) << 4;
		struct mp_block *block = mp_block_table_find(t, addr);

		cr_assert_eq(block != NULL, has[k]);
		if (block) {
			cr_assert_eq(block->addr, addr);
			cr_assert_eq(block->size_bytes, k);
			mp_block_table_remove(t, block);
		} else {
			mp_block_table_add(t, addr)->size_bytes = k;
		}
		has[k] = !has[k];
		n += has[k] ? 1 : (size_t)-1;
		cr_assert_eq(mp_block_table_count(t), n);
	}
	for (uint64_t k = 0; k < ADDRESSES; k++)
		cr_assert_eq(mp_block_table_find(t, (k + 1) << 4) != NULL, has[k]);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(mp_block_table_find(t, mp_block_table_at(t, i)->addr), mp_block_table_at(t, i));
	mp_block_table_free(t);
}
