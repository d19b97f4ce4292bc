/* SPDX-License-Identifier: MIT */
/* A session of limited size: what its pieces decide, and what they leave in the tables. */
#include "store/retention.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/append_gc.h"
#include "store/append_pool.h"
#include "store/retention_priv.h"

#define SECOND INT64_C(1000000000)
#define START  (1000 * SECOND)

static char dir[] = "/tmp/mp-retention-XXXXXX";
static char path[128];
static struct mp_err err;
static struct mp_session *s;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	cr_assert_eq(mp_session_create(path, false, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	char command[128];

	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(retention, .init = setup, .fini = teardown, .timeout = 120);

static long long one(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	long long value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

static long long here(const char *sql)
{
	return one(mp_session_db(s), sql);
}

static void live(uint64_t max_bytes)
{
	cr_assert_eq(mp_session_live(s, max_bytes, &err), 0, "%s", err.text);
}

static struct mp_call call_of(uint32_t kept, uint32_t weight, int64_t dur_ns)
{
	return (struct mp_call){
	    .t_ns = START, .tid = 7, .op = MP_OP_MALLOC, .kept = kept, .weight = weight, .dur_ns = dur_ns};
}

/* ---- Pure ---- */

Test(retention, sizes_are_whole_numbers_with_a_unit)
{
	static const struct {
		const char *text;
		uint64_t bytes; /* 0: refused */
	} cases[] = {{"16777216", 16 << 20}, {"16M", 16 << 20}, {"2G", 2ULL << 30}, {"20000K", 20000 << 10},
	    {"1T", 1ULL << 40}, {"16777215", 0}, {"15M", 0}, {"0", 0}, {"", 0}, {"M", 0}, {"-16M", 0},
	    {"+16M", 0}, {" 16M", 0}, {"16MB", 0}, {"16m", 0}, {"1.5G", 0}, {"99999999T", 0},
	    {"99999999999999999999", 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t bytes = 0;
		int rc = mp_retention_parse("--max-size", cases[i].text, &bytes, &err);

		cr_assert_eq(rc, cases[i].bytes ? 0 : -EINVAL, "'%s': %d", cases[i].text, rc);
		if (!rc)
			cr_assert_eq(bytes, cases[i].bytes, "'%s'", cases[i].text);
		else
			cr_assert(strstr(err.text, "--max-size: '"), "%s", err.text);
	}
}

Test(retention, of_a_pair_each_stays_as_likely_as_it_weighs)
{
	uint64_t random = 42;
	int first = 0;

	for (int i = 0; i < 100000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		first += mp_first_of_pair(3, 1, random);
	}
	/* Six standard deviations. */
	cr_assert(abs(first - 75000) < 6 * 137, "%d", first);
	cr_assert(mp_first_of_pair(UINT64_MAX, 1, UINT64_MAX / 2));
	cr_assert(!mp_first_of_pair(0, 1, 0));
}

Test(retention, of_each_so_many_one_is_drawn)
{
	struct mp_draw d = {0};
	uint64_t random = 7;
	int at[8] = {0};

	for (int block = 0; block < 8000; block++) {
		int drawn = 0;

		for (int i = 0; i < 8; i++)
			if (mp_draw_takes(&d, 3, &random)) {
				drawn++;
				at[i]++;
			}
		cr_assert_eq(drawn, 1);
	}
	for (int i = 0; i < 8; i++)
		cr_assert(abs(at[i] - 1000) < 180, "place %d: %d", i, at[i]);
	for (int i = 0; i < 10; i++)
		cr_assert(mp_draw_takes(&d, 0, &random), "level 0 takes all");
}

Test(retention, the_first_limit_that_a_call_was_below_counts)
{
	struct mp_retention r = {
	    .demotions = 2, .demotion = {{.under_ns[MP_OP_MALLOC] = 1000}, {.under_ns[MP_OP_MALLOC] = 5000}}};

	cr_assert_eq(mp_demotion_of(&r, MP_OP_MALLOC, 999), 0);
	cr_assert_eq(mp_demotion_of(&r, MP_OP_MALLOC, 1000), 1);
	cr_assert_eq(mp_demotion_of(&r, MP_OP_MALLOC, 5000), -1);
	cr_assert_eq(mp_demotion_of(&r, MP_OP_FREE, 1), -1);
}

/* ---- Calls ---- */

Test(retention, calls_have_their_numbers_before_they_are_written)
{
	int64_t id = 0;

	for (int i = 1; i <= 1000; i++) {
		struct mp_call c = call_of(MP_KEPT_SAMPLE, 1, i);

		cr_assert_eq(mp_append_call(s, &c, &id, &err), 0, "%s", err.text);
		cr_assert_eq(id, i);
		if (i % 10 == 0) /* some of which have been written, and some not */
			cr_assert_eq(mp_update_call_stack(s, i - i % 50, i, &err), 0);
		if (i % 300 == 0)
			cr_assert_eq(mp_session_commit(s, &err), 0);
	}
	cr_assert_eq(mp_update_call_stack(s, 1000, 77, &err), 0);
	cr_assert_eq(here("SELECT count(*) FROM call WHERE dur_ns = call_id"), 1000);
	cr_assert_eq(here("SELECT stack_id FROM call WHERE call_id = 1000"), 77);
	cr_assert_eq(here("SELECT stack_id FROM call WHERE call_id = 950"), 990);
}

/* Nobody commits, and rows come without end: yet a reader sees them after a while. */
Test(retention, a_burst_is_committed_while_it_lasts)
{
	sqlite3 *reader = NULL;
	struct mp_call c = call_of(MP_KEPT_FULL, 1, 50);
	long long seen = 0;

	live(0);
	cr_assert_eq(mp_session_commit(s, &err), 0);
	cr_assert_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (int i = 0; !seen && i < 20000000; i++) {
		cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0, "%s", err.text);
		if (i % 65536 == 0)
			seen = one(reader, "SELECT count(*) FROM call");
	}
	sqlite3_close(reader);
	cr_assert(seen > 0);
}

/* A pass in whole: the file is small, so that it is begun by hand. */
static void pass_over_calls(void)
{
	struct mp_pass *p = &s->retention->pass[MP_AREA_CALL];
	uint64_t work = 0;

	cr_assert_eq(mp_session_flush(s, &err), 0);
	do
		cr_assert_eq(mp_thin_calls(s->retention, &work, &err), 0, "%s", err.text);
	while (p->at < p->end);
}

static void append(const struct mp_call *c)
{
	int64_t id;

	cr_assert_eq(mp_append_call(s, c, &id, &err), 0, "%s", err.text);
	if (c->kept == MP_KEPT_OUTLIER) {
		struct mp_cause_row cause = {id, "minor_fault", NULL, c->dur_ns / 2, 1};
		cr_assert_eq(mp_append_cause(s, &cause, &err), 0);
	}
}

Test(retention, half_of_the_samples_stand_for_all)
{
	long long mallocs = 0;

	live(MP_RETENTION_MIN_BYTES);
	for (int i = 0; i < 10000; i++) {
		struct mp_call c =
		    call_of(i % 10 ? MP_KEPT_SAMPLE : MP_KEPT_OUTLIER, i % 10 ? 100 : 1, 10 + i);

		c.op = i % 3 ? MP_OP_MALLOC : MP_OP_FREE;
		mallocs += i % 3 ? c.weight : 0;
		append(&c);
	}
	pass_over_calls();
	cr_assert_eq(here("SELECT sum(weight) FROM call"), 9000 * 100 + 1000);
	cr_assert_eq(here("SELECT sum(weight) FROM call WHERE op_id = 0"), mallocs);
	cr_assert_eq(here("SELECT count(*) FROM call WHERE kept = 1 AND weight = 1"), 1000);
	cr_assert_eq(here("SELECT count(*) FROM cause"), 1000);
	long long samples = here("SELECT count(*) FROM call WHERE kept = 2");
	cr_assert(samples >= 4500 && samples < 4550, "%lld", samples);
	/* Evenly in time. */
	cr_assert_eq(
	    here("SELECT count(*) FROM (SELECT call_id / 1000 AS n, count(*) AS c FROM call WHERE kept = 2"
		 " GROUP BY n HAVING c NOT BETWEEN 430 AND 470) WHERE n < 10"),
	    0);
	/* What comes from now on is let in by halves. */
	int let_in = 0;
	for (int i = 0; i < 1000; i++) {
		struct mp_call c = call_of(MP_KEPT_SAMPLE, 100, 10);

		if (mp_retention_keeps_call(s, &c)) {
			let_in++;
			cr_assert_eq(c.weight, 200);
		}
	}
	cr_assert_eq(let_in, 500);
	struct mp_call slow = call_of(MP_KEPT_OUTLIER, 1, 10);
	cr_assert(mp_retention_keeps_call(s, &slow) && slow.kept == MP_KEPT_OUTLIER && slow.weight == 1);
}

Test(retention, the_faster_outliers_give_way_when_there_are_too_many)
{
	live(MP_RETENTION_MIN_BYTES);
	for (int i = 0; i < 8000; i++) {
		struct mp_call c = call_of(
		    i % 20 ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE, i % 20 ? 1 : 50, 1000 + i * 7919 % 8000);

		append(&c);
	}
	pass_over_calls();
	cr_assert_eq(here("SELECT sum(weight) FROM call"), 7600 + 400 * 50);
	cr_assert_eq(here("SELECT count(*) FROM call WHERE kept = 1 AND weight <> 1"), 0);
	cr_assert(here("SELECT min(dur_ns) FROM call WHERE kept = 1 AND call_id < 7999") > 4500);
	cr_assert(here("SELECT count(*) FROM call WHERE kept = 1") > 3500);
	cr_assert_eq(
	    here("SELECT max(dur_ns) FROM call WHERE kept = 1"), here("SELECT max(dur_ns) FROM call"));
	cr_assert_eq(here("SELECT count(*) FROM cause WHERE call_id NOT IN (SELECT call_id FROM call)"), 0);
	struct mp_call fast = call_of(MP_KEPT_OUTLIER, 1, 1001), slow = call_of(MP_KEPT_OUTLIER, 1, 8999);
	int let_in = 0;
	for (int i = 0; i < 1000; i++) {
		struct mp_call c = fast;

		if (mp_retention_keeps_call(s, &c)) {
			let_in++;
			cr_assert(c.kept == MP_KEPT_SAMPLE && c.weight == 2);
		}
	}
	cr_assert(abs(let_in - 500) < 100, "%d", let_in);
	cr_assert(mp_retention_keeps_call(s, &slow) && slow.kept == MP_KEPT_OUTLIER);
}

Test(retention, of_every_call_the_slowest_become_outliers)
{
	live(MP_RETENTION_MIN_BYTES);
	for (int i = 0; i < 20000; i++) {
		struct mp_call c = call_of(MP_KEPT_FULL, 1, i % 2000 == 7 ? 900000 + i : 50 + i % 100);

		cr_assert(mp_retention_keeps_call(s, &c) && c.kept == MP_KEPT_FULL);
		append(&c);
	}
	pass_over_calls();
	cr_assert_eq(here("SELECT sum(weight) FROM call"), 20000);
	cr_assert_eq(here("SELECT count(*) FROM call WHERE kept = 3 AND call_id < 19999"), 0);
	cr_assert_eq(here("SELECT count(*) FROM call WHERE kept = 1 AND dur_ns >= 900000"), 10);
	cr_assert(here("SELECT count(*) FROM call WHERE kept = 1") < 100);
}

/* ---- Slots ---- */

/* Bytes are told in every second slot. A heap is looked at twice. */
static void write_pool_slot(int i, int64_t slot_ns)
{
	struct mp_pool_use use = {-i, i, i, 2, 3, 1, i % 2 ? 100 + i : -1};
	struct mp_pool_heap heap = {1000, 600, 400, 300, -1, (uint64_t)i, -1};

	cr_assert_eq(mp_append_pool_use(s, 1, slot_ns, &use, &err), 0);
	cr_assert_eq(
	    mp_append_pool_use(s, 2, slot_ns, &(struct mp_pool_use){.in_use_bytes_max = -1}, &err), 0);
	cr_assert_eq(mp_append_pool_latency(s, 1, slot_ns, "get", 60, 2, &err), 0);
	cr_assert_eq(mp_append_pool_latency(s, 1, slot_ns, "hold", (uint32_t)i % 3, 1, &err), 0);
	cr_assert_eq(mp_append_pool_latency(s, 2, slot_ns, "hold", 60, 5, &err), 0);
	cr_assert_eq(mp_append_pool_heap(s, 2, slot_ns + 3 * SECOND / 10, &heap, &err), 0);
	cr_assert_eq(mp_append_pool_heap(s, 2, slot_ns + 8 * SECOND / 10, &heap, &err), 0);
}

/* A counter, and a value that is highest in second 7 of each ten and lowest in second 3. */
static void write_pressure(int i, int64_t t_ns)
{
	double gauge = i % 10 == 7 ? 1000 : i % 10 == 3 ? -1000 : i % 10;

	cr_assert_eq(mp_append_pressure(s, t_ns, "counter", i, &err), 0);
	cr_assert_eq(mp_append_pressure(s, t_ns, "gauge", gauge, &err), 0);
}

static void write_class(int64_t slot_ns, const char *name)
{
	const struct mp_gc_class_row row = {slot_ns, "hotspot", name, 0, 2, 20};

	cr_assert_eq(mp_append_gc_class(s, &row, &err), 0, "%s", err.text);
	cr_assert_eq(mp_append_gc_class(s, &row, &err), 0, "%s", err.text);
}

static void write_slot(int i)
{
	int64_t slot_ns = START + i * SECOND;
	struct mp_latency_sum sum = {3, 300, 3000, 1000 + (uint64_t)i};
	struct mp_latency_window window = {
	    slot_ns, SECOND / 10, i == 5 ? 50 : 200, i == 5 ? 99999 : 500 + (uint64_t)i};

	cr_assert_eq(mp_append_latency(s, slot_ns, MP_OP_MALLOC, 1, 60, 2, &err), 0);
	cr_assert_eq(mp_append_latency(s, slot_ns, MP_OP_MALLOC, 1, 61 + (uint32_t)i % 3, 1, &err), 0);
	cr_assert_eq(mp_append_latency_sum(s, slot_ns, MP_OP_MALLOC, 1, &sum, &err), 0);
	cr_assert_eq(mp_append_latency_window(s, slot_ns, MP_OP_MALLOC, &window, &err), 0);
	cr_assert_eq(mp_append_counter(s, slot_ns, "minor_fault", 5, &err), 0);
	cr_assert_eq(
	    mp_append_overhead(s,
		&(struct mp_overhead_row){.slot_ns = slot_ns, .plane = "preload", .events = 7, .cost_ns = 70},
		&err),
	    0);
	cr_assert_eq(
	    mp_append_thread_counter(s, slot_ns, &(struct mp_thread_counter){4, 1, 10, 20, 30}, &err), 0);
	write_pool_slot(i, slot_ns);
	cr_assert_eq(mp_append_loss(s, slot_ns + SECOND, "ring", "rows", 2, &err), 0);
	cr_assert_eq(mp_append_clock(s, slot_ns + SECOND + 1, 1, &err), 0);
	write_class(slot_ns, i % 3 ? "Order" : "byte[]");
	write_pressure(i, slot_ns + SECOND);
	cr_assert_eq(mp_append_slot(s, slot_ns, SECOND, &err), 0, "%s", err.text);
}

static void roll_all(void)
{
	uint64_t work = 0, before;

	do {
		before = work;
		cr_assert_eq(mp_rollup(s->retention, &work, &err), 0, "%s", err.text);
	} while (work != before);
}

static void expect_pools_rolled_up(int slots)
{
	cr_assert_eq(here("SELECT sum(failures) FROM pool_use"), slots);
	cr_assert_eq(here("SELECT sum(gets) FROM pool_use"), 2 * slots);
	cr_assert_eq(here("SELECT sum(puts) FROM pool_use"), 3 * slots);
	cr_assert_eq(here("SELECT min(in_use_min) FROM pool_use"), 1 - slots);
	cr_assert_eq(here("SELECT max(in_use_max) FROM pool_use"), slots - 1);
	cr_assert_eq(here("SELECT count(*) FROM pool_use"), 2 * here("SELECT count(*) FROM slot"));
	/* The last second of each slot is i: that many are in use then, and bytes were told in it or just
	 * before. */
	cr_assert_eq(
	    here(
		"WITH used AS (SELECT pool_use.*, dur_ns, (slot_ns + dur_ns) / 1000000000 - 1001 AS i"
		" FROM pool_use JOIN slot USING (slot_ns) WHERE pool_id = 1)"
		" SELECT count(*) FROM used WHERE in_use_last <> i OR in_use_max <> i OR (dur_ns > 1000000000"
		" AND in_use_bytes_max IS NOT 100 + i - (i + 1) % 2)"),
	    0);
	cr_assert_eq(here("SELECT count(in_use_bytes_max) FROM pool_use WHERE pool_id = 2"), 0);
	cr_assert_eq(
	    here("SELECT sum(count) FROM pool_latency WHERE pool_id = 1 AND what = 'get'"), 2 * slots);
	cr_assert_eq(here("SELECT sum(count) FROM pool_latency WHERE pool_id = 1 AND what = 'hold'"), slots);
	cr_assert_eq(
	    here("SELECT sum(count) FROM pool_latency WHERE pool_id = 2 AND bucket = 60"), 5 * slots);
	cr_assert_eq(
	    here("SELECT count(*) FROM pool_latency WHERE slot_ns NOT IN (SELECT slot_ns FROM slot)"), 0);
	/* Of a longer slot the last look stays, of the others both. */
	cr_assert_eq(
	    here("SELECT count(*) FROM slot WHERE (SELECT count(*) FROM pool_heap WHERE t_ns >= slot_ns"
		 " AND t_ns < slot_ns + dur_ns) <> 1 + (dur_ns = 1000000000)"),
	    0);
	cr_assert_eq(
	    here("SELECT count(*) FROM slot WHERE (SELECT max(t_ns) FROM pool_heap WHERE t_ns >= slot_ns"
		 " AND t_ns < slot_ns + dur_ns) <> slot_ns + dur_ns - 200000000"),
	    0);
}

/* Of a slot stay the last, the least and the greatest, which of a counter are two. */
static void expect_pressure_rolled_up(int slots)
{
	cr_assert_eq(here("SELECT count(*) FROM slot WHERE dur_ns > 1000000000 AND"
			  " (SELECT count(*) FROM pressure WHERE name = 'counter' AND t_ns > slot_ns"
			  " AND t_ns <= slot_ns + dur_ns) <> 2"),
	    0);
	cr_assert_eq(here("SELECT count(*) FROM slot WHERE (SELECT value FROM pressure WHERE name = 'counter'"
			  " AND t_ns = slot_ns + dur_ns) IS NOT (slot_ns + dur_ns) / 1000000000 - 1001"),
	    0);
	cr_assert_eq(
	    here("SELECT count(*) FROM slot WHERE dur_ns >= 10000000000 AND ("
		 "SELECT max(value) <> 1000 OR min(value) <> -1000 OR count(*) > 3 OR max(t_ns) <> slot_ns + "
		 "dur_ns"
		 " FROM pressure WHERE name = 'gauge' AND t_ns > slot_ns AND t_ns <= slot_ns + dur_ns)"),
	    0);
	cr_assert_eq(
	    here("SELECT count(*) FROM pressure") + (long long)s->retention->thinned_pressure, 2 * slots);
	cr_assert(here("SELECT count(*) FROM pressure") < slots / 2);
}

Test(retention, slots_that_are_rolled_up_add_up)
{
	enum { SLOTS = 8000 };
	int64_t pool_id, phase_id;
	struct mp_pool_row pool = {.name = "orders", .address = 1};

	live(MP_RETENTION_MIN_BYTES);
	cr_assert_eq(mp_append_pool(s, &pool, &pool_id, &err), 0);
	cr_assert_eq(mp_append_pool(s, &pool, &pool_id, &err), 0);
	cr_assert_eq(pool_id, 2);
	cr_assert_eq(mp_append_phase(s, "open", START + 105 * SECOND, "test", &phase_id, &err), 0);
	cr_assert_eq(mp_update_phase(s, phase_id, START + 3705 * SECOND, &err), 0);
	for (int i = 0; i < SLOTS; i++)
		write_slot(i);
	roll_all();
	cr_assert_eq(here("SELECT sum(calls) FROM latency"), 3 * SLOTS);
	cr_assert_eq(here("SELECT sum(calls) FROM latency WHERE bucket = 60"), 2 * SLOTS);
	cr_assert_eq(here("SELECT sum(calls) FROM latency_sum"), 3 * SLOTS);
	cr_assert_eq(here("SELECT sum(bytes) FROM latency_sum"), 300 * SLOTS);
	cr_assert_eq(here("SELECT sum(sum_ns) FROM latency_sum"), 3000 * SLOTS);
	cr_assert_eq(here("SELECT max(max_ns) FROM latency_sum"), 1000 + SLOTS - 1);
	cr_assert_eq(here("SELECT sum(value) FROM counter"), 5 * SLOTS);
	cr_assert_eq(here("SELECT sum(cost_ns) FROM overhead"), 70 * SLOTS);
	cr_assert_eq(here("SELECT sum(running_ns) FROM thread_counter"), 30 * SLOTS);
	cr_assert_eq(here("SELECT sum(bytes) - 10 * sum(events) FROM gc_class"), 0);
	cr_assert_eq(here("SELECT sum(bytes) FROM gc_class"), 40 * SLOTS);
	cr_assert(here("SELECT count(*) FROM gc_class") < SLOTS / 10);
	cr_assert_eq(
	    here("SELECT count(*) FROM gc_class WHERE slot_ns NOT IN (SELECT slot_ns FROM slot)"), 0);
	expect_pools_rolled_up(SLOTS);
	expect_pressure_rolled_up(SLOTS);
	cr_assert_eq(here("SELECT sum(lost) FROM loss"), 2 * SLOTS);
	cr_assert(here("SELECT count(*) FROM loss") < SLOTS / 10);
	cr_assert(here("SELECT count(*) FROM clock") < SLOTS / 10);
	cr_assert(here("SELECT count(*) FROM slot") < SLOTS / 10);
	/* A window of 50 calls is not the worst, however slow. */
	cr_assert_eq(here("SELECT p99_ns FROM latency_window ORDER BY slot_ns LIMIT 1"),
	    here("SELECT 500 + dur_ns / 1000000000 - 1 FROM slot ORDER BY slot_ns LIMIT 1"));
	cr_assert_eq(here("SELECT sum(dur_ns) FROM slot"), SLOTS * SECOND);
	cr_assert_eq(here("SELECT count(*) FROM (SELECT slot_ns + dur_ns AS end_ns, lead(slot_ns) OVER "
			  "(ORDER BY slot_ns) AS next"
			  " FROM slot) WHERE next <> end_ns"),
	    0);
	cr_assert_eq(here("SELECT count(*) FROM latency WHERE slot_ns NOT IN (SELECT slot_ns FROM slot)"), 0);
	/* The phase is an hour: no slot is in it and out of it. */
	cr_assert_eq(
	    here("SELECT count(*) FROM slot, phase WHERE (slot_ns < start_ns AND slot_ns + dur_ns > start_ns)"
		 " OR (slot_ns < end_ns AND slot_ns + dur_ns > end_ns)"),
	    0);
	/* The last minute is as it was. */
	cr_assert(here("SELECT count(*) FROM (SELECT dur_ns FROM slot ORDER BY slot_ns DESC LIMIT 60) WHERE "
		       "dur_ns = 1000000000") == 60);
}

Test(retention, what_is_thinned_is_told)
{
	struct mp_retention_totals totals;

	live(MP_RETENTION_MIN_BYTES);
	for (int i = 0; i < 5000; i++) {
		struct mp_call c = call_of(MP_KEPT_SAMPLE, 1, 10);

		append(&c);
	}
	pass_over_calls();
	cr_assert_eq(mp_retention_settle(s, &err), 0);
	mp_retention_totals(s, &totals);
	cr_assert_eq(here("SELECT rows FROM v_thinned WHERE name = 'call sample'"), (long long)totals.calls);
	cr_assert_eq(here("SELECT count(*) FROM call") + (long long)totals.calls_removed, 5000);
	cr_assert_eq(totals.others, 0);
	s->retention->thinned_pressure = 7;
	cr_assert_eq(mp_retention_settle(s, &err), 0);
	mp_retention_totals(s, &totals);
	cr_assert_eq(here("SELECT rows FROM v_thinned WHERE name = 'pressure'"), 7);
	cr_assert_eq(totals.others, 7);
	cr_assert_eq(here("SELECT count(*) FROM v_loss"), 0);
}

/* A collection that took long stays, with what it did to its pools; of the others, and of what was foreseen,
 * each half of what is there. */
Test(retention, long_collections_stay)
{
	struct mp_gc_row row = {.ttsp_ns = -1,
	    .stopped_ns = -1,
	    .is_pause = true,
	    .runtime = "rt",
	    .kind = "young",
	    .bytes_since_last = -1,
	    .source = "probes"};
	const struct mp_gc_pool_row pool = {"eden", 10, 0, 20, -1};
	uint64_t work = 0;
	int64_t id;

	live(MP_RETENTION_MIN_BYTES);
	for (int i = 0; i < 6000; i++) {
		const struct mp_gc_prediction_row p = {START + i, "rt", "young", START, START, START, 0.9};
		row.t_ns = START + i;
		row.dur_ns = i % 100 == 50 ? 100000 : 1000;
		cr_assert_eq(mp_append_gc(s, &row, &id, &err), 0, "%s", err.text);
		cr_assert_eq(mp_append_gc_pool(s, id, &pool, &err), 0, "%s", err.text);
		cr_assert_eq(mp_append_gc_prediction(s, &p, &err), 0, "%s", err.text);
	}
	for (enum mp_area area = MP_AREA_GC; area <= MP_AREA_GC_PREDICTION; area++)
		do
			cr_assert_eq(mp_thin_rows(s->retention, area, &work, &err), 0, "%s", err.text);
		while (s->retention->pass[area].at < s->retention->pass[area].end);
	cr_expect_eq(here("SELECT count(*) FROM gc WHERE dur_ns = 100000"), 60);
	cr_expect(here("SELECT abs(count(*) - 2970) < 300 FROM gc WHERE dur_ns = 1000"));
	cr_expect(here("SELECT abs(count(*) - 3000) < 300 FROM gc_prediction"));
	cr_expect_eq(here("SELECT count(*) FROM gc_pool"), here("SELECT count(*) FROM gc"));
	cr_expect_eq(here("SELECT count(*) FROM gc_pool WHERE gc_id NOT IN (SELECT gc_id FROM gc)"), 0);
	cr_assert_eq(mp_retention_settle(s, &err), 0);
	cr_expect_eq(
	    here("SELECT rows FROM v_thinned WHERE name = 'gc'"), 6000 - here("SELECT count(*) FROM gc"));
	/* From then on half is let in, and all that is long. */
	for (int i = 0; i < 1000; i++) {
		row.t_ns = START + 10000 + i;
		row.dur_ns = i % 100 == 50 ? 100000 : 1000;
		cr_assert_eq(mp_append_gc(s, &row, &id, &err), 0);
		cr_assert_eq(mp_append_gc_pool(s, id, &pool, &err), 0);
	}
	cr_expect_eq(here("SELECT count(*) FROM gc WHERE dur_ns = 100000"), 70);
	cr_expect(
	    here("SELECT abs(count(*) - 495) < 120 FROM gc WHERE dur_ns = 1000 AND t_ns >= 1000000010000"));
	cr_expect_eq(here("SELECT count(*) FROM gc_pool"), here("SELECT count(*) FROM gc"));
}
