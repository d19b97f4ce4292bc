/* SPDX-License-Identifier: MIT */
/* Where a series goes far above what it is in its phase: v_spike, over slots of a second that are known. */
#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/append.h"
#include "store/append_gc.h"
#include "store/op.h"

/* The first and the last slot of a recording are never judged: one more at each end. */
enum { STEPS = 120, SLOTS = STEPS + 2, CALLS = 10000, NONE = -1 };

#define START_NS INT64_C(5000000000123)
#define SECOND   INT64_C(1000000000)

static char path[] = "/tmp/mp-spikes-XXXXXX";
static struct mp_session *s;
static struct mp_err err;
static double value[SLOTS]; /* of slot i; NONE: nothing is known */
static uint64_t state = 1;

/* About normal: the sum of twelve uniform ones. */
static double noise(void)
{
	double sum = -6;

	for (int i = 0; i < 12; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		sum += (double)(state >> 11) * 0x1p-53;
	}
	return sum;
}

static int64_t slot_ns(int slot)
{
	return START_NS + slot * SECOND;
}

static void run(const char *sql)
{
	cr_assert_eq(sqlite3_exec(mp_session_db(s), sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
	    sqlite3_errmsg(mp_session_db(s)));
}

static void setup(void)
{
	close(mkstemp(path));
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	for (int i = 0; i < SLOTS; i++)
		cr_assert_eq(mp_append_slot(s, slot_ns(i), SECOND, &err), 0);
}

static void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(spikes, .init = setup, .fini = teardown, .timeout = 120);

static void phase(const char *name, int from, int to)
{
	int64_t id;

	cr_assert_eq(mp_append_phase(s, name, slot_ns(from + 1), "calendar", &id, &err), 0);
	cr_assert_eq(mp_update_phase(s, id, slot_ns(to + 1), &err), 0);
}

/* Three phases, a level in each, with a spread of 10 %. */
static void fill(void)
{
	static const double level[] = {1000, 50000, 300};

	for (int i = 0; i < SLOTS; i++)
		value[i] = round(level[i < 41 ? 0 : i < 81 ? 1 : 2] * exp(0.1 * noise()));
}

static void three_phases(void)
{
	phase("pre", 0, 40);
	phase("open", 40, 80);
	phase("post", 80, STEPS);
}

static void flat(double level)
{
	for (int i = 0; i < SLOTS; i++)
		value[i] = level;
}

/* ---- The value as one series or another, beside nothing else ---- */

static void put_allocs(int i)
{
	struct mp_latency_sum sum = {(uint64_t)value[i], 0, 0, 0};

	cr_assert_eq(mp_append_latency_sum(s, slot_ns(i), MP_OP_MALLOC, 3, &sum, &err), 0);
	sum.calls = 1000000; /* these give no memory out */
	cr_assert_eq(mp_append_latency_sum(s, slot_ns(i), MP_OP_FREE, 0, &sum, &err), 0);
}

static void put_bytes(int i)
{
	const struct mp_latency_sum sum = {1000, (uint64_t)value[i], 0, 0};

	cr_assert_eq(mp_append_latency_sum(s, slot_ns(i), MP_OP_CALLOC, 3, &sum, &err), 0);
}

static void put_p99(int i)
{
	const struct mp_latency_window w = {slot_ns(i), SECOND / 10, CALLS, (uint64_t)value[i]},
				       few = {slot_ns(i), SECOND / 10, 999, 100000000};

	if (value[i] >= 0)
		cr_assert_eq(mp_append_latency_window(s, slot_ns(i), MP_OP_MALLOC, &w, &err), 0);
	cr_assert_eq(mp_append_latency_window(s, slot_ns(i), MP_OP_CALLOC, &few, &err), 0);
	cr_assert_eq(mp_append_latency_window(s, slot_ns(i), MP_OP_FREE, &few, &err), 0);
}

/* The look that ends slot i. Counters that did not change have no rows. */
static void put_faults(int i)
{
	static double minor;

	minor = i ? minor + value[i] : 0;
	cr_assert_eq(mp_append_pressure(s, slot_ns(i + 1), "rss_bytes", 1 + i % 2, &err), 0);
	if (!i || value[i] > 0)
		cr_assert_eq(mp_append_pressure(s, slot_ns(i + 1), "minor_faults", minor, &err), 0);
	if (i % 10 == 0)
		cr_assert_eq(mp_append_pressure(s, slot_ns(i + 1), "major_faults", 7, &err), 0);
}

/* Two of the name, half each. */
static void put_pool(int i)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	    "INSERT OR IGNORE INTO pool (pool_id, name, capacity) VALUES (1, 'orders', 9), (2, 'orders', 9);"
	    "INSERT INTO pool_use (pool_id, slot_ns, in_use_min, in_use_max, gets, puts, failures, "
	    "in_use_last)"
	    " SELECT pool_id, %lld, 0, %lld, 1, 1, 0, 50 FROM pool",
	    (long long)slot_ns(i), (long long)value[i] / 2);
	/* What does not happen has no row: then it is as full as it was at the end. */
	if (value[i] != 100 || i == 0)
		run(sql);
}

/* 0: none in this slot. */
static void put_pause(int i)
{
	int64_t id;
	const struct mp_gc_row gc = {.t_ns = slot_ns(i) + SECOND / 2,
	    .dur_ns = (int64_t)value[i] - 1000,
	    .stopped_ns = (int64_t)value[i],
	    .ttsp_ns = -1,
	    .bytes_since_last = -1,
	    .is_pause = true,
	    .runtime = "go",
	    .kind = "young",
	    .source = "probes"};

	if (value[i] > 0)
		cr_assert_eq(mp_append_gc(s, &gc, &id, &err), 0);
}

typedef void put_value(int slot);

static void put(put_value *how)
{
	run("DELETE FROM latency_sum; DELETE FROM latency_window; DELETE FROM pressure; DELETE FROM gc;"
	    "DELETE FROM pool; DELETE FROM pool_use");
	for (int i = 0; i < SLOTS; i++)
		how(i);
	cr_assert_eq(mp_session_commit(s, &err), 0);
}

/* Each spike as PHASE SERIES FIRST..END PEAK: numbers of steps. */
static const char *spikes(void)
{
	static char answer[4096];
	sqlite3_stmt *st = NULL;

	cr_assert_eq(
	    sqlite3_prepare_v2(mp_session_db(s),
		"SELECT coalesce(group_concat(phase || ' ' || series || ' ' || ((start_ns - ?1) / "
		"1000000000) ||"
		" '..' || ((end_ns - ?1) / 1000000000) || ' ' || ((peak_ns - ?1) / 1000000000), '|'), '')"
		" FROM v_spike",
		-1, &st, NULL),
	    SQLITE_OK, "%s", sqlite3_errmsg(mp_session_db(s)));
	sqlite3_bind_int64(st, 1, slot_ns(1));
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	snprintf(answer, sizeof(answer), "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return answer;
}

static double number(const char *column)
{
	sqlite3_stmt *st = NULL;
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT %s FROM v_spike", column);
	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	double n = sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* Step i of the STEPS that are judged. */
static void set(int step, double to)
{
	value[step + 1] = to;
}

Test(spikes, none_without)
{
	static put_value *const all[] = {put_allocs, put_bytes, put_p99, put_faults, put_pool, put_pause};

	three_phases();
	for (int round = 0; round < 24; round++) {
		fill();
		put(all[round % 6]);
		cr_assert_str_eq(spikes(), "", "round %d", round);
	}
}

Test(spikes, of_known_size_and_time)
{
	static const struct {
		const char *series;
		put_value *put;
	} all[] = {{"allocs_per_s", put_allocs}, {"bytes_per_s", put_bytes}, {"p99_ns", put_p99},
	    {"faults_per_s", put_faults}, {"pool_in_use:orders", put_pool}, {"gc_pause", put_pause}};

	three_phases();
	for (int round = 0; round < 24; round++) {
		char expected[64];
		double unit = round % 6 == 5 ? 1000 : 1; /* pauses are of ms */
		fill();
		for (int i = 0; i < SLOTS; i++)
			value[i] *= unit;
		for (int i = 50; i < 53; i++)
			set(i, unit * 50000 * (i == 51 ? 6 : 4));
		put(all[round % 6].put);
		snprintf(expected, sizeof(expected), "open %s 50..53 51", all[round % 6].series);
		cr_assert_str_eq(spikes(), expected, "round %d", round);
		cr_assert_float_eq(number("peak"), unit * 300000, unit);
		cr_assert_float_eq(number("level"), unit * 50000, unit * 5000);
	}
}

/* Of equal slots the level is what they have. */
Test(spikes, size_is_exact)
{
	static put_value *const all[] = {put_allocs, put_bytes, put_p99, put_faults, put_pool, put_pause};

	for (int k = 0; k < 6; k++) {
		flat(1000000);
		set(20, 3200000);
		put(all[k]);
		cr_assert_float_eq(number("level"), 1000000, 0.01);
		cr_assert_float_eq(number("peak / level"), 3.2, 1e-6);
	}
}

/* 1.4 times as much, without any spread, is not half as much again; nor is 2.9 times three times. */
Test(spikes, at_least_the_factor)
{
	flat(10000);
	set(20, 14000);
	put(put_allocs);
	cr_assert_str_eq(spikes(), "");
	set(20, 16000);
	put(put_allocs);
	cr_assert_str_eq(spikes(), " allocs_per_s 20..21 20");
	set(20, 29000);
	put(put_p99);
	cr_assert_str_eq(spikes(), "");
	set(20, 31000);
	put(put_p99);
	cr_assert_str_eq(spikes(), " p99_ns 20..21 20");
}

/* What is next to nothing is no spike, however still it was before. */
Test(spikes, nothing_is_a_level_too)
{
	flat(0);
	set(70, 99);
	put(put_allocs);
	cr_assert_str_eq(spikes(), "");
	set(70, 100);
	put(put_allocs);
	cr_assert_str_eq(spikes(), " allocs_per_s 70..71 70");
	cr_assert_eq(number("level"), 0);
	put(put_faults);
	cr_assert_str_eq(spikes(), " faults_per_s 70..71 70");
	set(70, 99);
	put(put_faults);
	cr_assert_str_eq(spikes(), "");
}

Test(spikes, too_few_steps_have_no_level)
{
	phase("short", 0, 7);
	phase("enough", 7, 15);
	flat(1000);
	set(2, 1e9);
	set(9, 1e9);
	put(put_allocs);
	cr_assert_str_eq(spikes(), "enough allocs_per_s 9..10 9");
}

Test(spikes, steps_without_a_value_do_not_end_one)
{
	flat(1000);
	set(10, 9000);
	set(11, NONE);
	set(12, 8000);
	set(14, 7000);
	put(put_p99);
	cr_assert_str_eq(spikes(), " p99_ns 10..13 10| p99_ns 14..15 14");
}

/* A phase inside of another one is not of its spike, nor is what comes after it. */
Test(spikes, the_innermost_phase_counts)
{
	phase("day", 0, STEPS);
	phase("news", 50, 60);
	flat(1000);
	for (int i = 48; i < 62; i++)
		set(i, 10000);
	put(put_allocs);
	cr_assert_str_eq(spikes(), "day allocs_per_s 48..50 48|day allocs_per_s 60..62 60");
}

/* Where the recording begins and ends the program may, too. */
Test(spikes, none_at_the_edges)
{
	flat(1000);
	value[0] = value[SLOTS - 1] = 1e9;
	put(put_allocs);
	cr_assert_str_eq(spikes(), "");
	put(put_p99);
	cr_assert_str_eq(spikes(), "");
}

/* A slot that ends at once, where a phase does, has no rate; one that was watched for a tenth has that of the
 * tenth. */
Test(spikes, rates_are_of_the_time_watched)
{
	flat(10000);
	put(put_allocs);
	run("UPDATE slot SET dur_ns = 100000000 WHERE slot_ns = (SELECT min(slot_ns) FROM slot) + 5000000000;"
	    "UPDATE latency_sum SET calls = 1000 WHERE slot_ns = (SELECT min(slot_ns) FROM slot) + "
	    "30000000000;"
	    "INSERT INTO overhead (slot_ns, plane, events, cost_ns, mode, watched_ns)"
	    " SELECT slot_ns, 'uprobe', 0, 0, 'burst', iif(slot_ns = min(slot_ns) OVER () + 30000000000, "
	    "100000000,"
	    " dur_ns) FROM slot");
	cr_assert_str_eq(spikes(), "");
	run("UPDATE latency_sum SET calls = 3000 WHERE slot_ns = (SELECT min(slot_ns) FROM slot) + "
	    "30000000000");
	cr_assert_str_eq(spikes(), " allocs_per_s 29..30 29");
	cr_assert_float_eq(number("peak"), 30000, 1);
}

/* A collection now and then, always as long, is none; a long one is, and the pauses before it are no part of
 * it. */
Test(spikes, pauses_against_pauses)
{
	flat(0);
	for (int i = 5; i < STEPS; i += 10)
		set(i, 5000000);
	put(put_pause);
	cr_assert_str_eq(spikes(), "");
	set(45, 50000000);
	set(46, 50000000);
	set(48, 50000000);
	put(put_pause);
	cr_assert_str_eq(spikes(), " gc_pause 45..47 45| gc_pause 48..49 48");
	cr_assert_float_eq(number("level"), 5000000, 1);
}

/* Whatever a file holds, the answer is one. */
Test(spikes, hostile_values)
{
	flat(1000);
	put(put_faults);
	run("UPDATE pressure SET value = 1e300 WHERE name = 'minor_faults' AND t_ns > 5060000000123;"
	    "INSERT INTO pressure VALUES (-9223372036854775808, 'minor_faults', -1e308);"
	    "INSERT INTO pressure VALUES (9223372036854775807, 'minor_faults', 1e308);"
	    "INSERT INTO latency_sum VALUES (5040000000123, 0, 0, 9223372036854775807, 9223372036854775807, "
	    "0, 0);"
	    "INSERT INTO latency_sum VALUES (5040000000123, 0, 1, 9223372036854775807, -9223372036854775807, "
	    "0, 0);"
	    "INSERT INTO slot VALUES (-9223372036854775808, 9223372036854775807), (9223372036854775807, 1);"
	    "INSERT INTO phase VALUES (9, 'p', 9223372036854775807, -9223372036854775808, 'mark');"
	    "INSERT INTO phase VALUES (10, 'q', -9223372036854775808, NULL, 'mark')");
	spikes();
}
