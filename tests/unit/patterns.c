/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report.h"
#include "store/append.h"
#include "tests/unit/arrivals.h"

/*
 * A recording of a minute in which everything is known: outliers every 10 ms by a timer's interrupt, a burst
 * by one thread, as many outliers at random, a site that becomes slower and one that is called more often
 * from a known second on, one with two modes, collections that make calls slow, and sampling that changes its
 * weight all the time.
 */
#define START_NS 9000000000123LL
#define LENGTH_S 60
#define SITES    5

enum {
	STEADY = 1,
	SLOWER, /* from SLOWER_S on */
	OFTENER,
	TWO_MODES,
	NOISY /* where outliers come from */
};
#define SLOWER_S  35
#define OFTENER_S 20
#define BURST_S   41

static char path[] = "/tmp/mp-patterns-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static void cause(int64_t call_id, const char *kind, const char *detail, int64_t dur_ns)
{
	struct mp_cause_row row = {
	    .call_id = call_id, .kind = kind, .detail = detail, .dur_ns = dur_ns, .n = 1};

	cr_assert_eq(mp_append_cause(s, &row, &err), 0, "%s", err.text);
}

static int64_t call(double t_s, int64_t tid, int site, double dur_ns, uint32_t kept, uint32_t weight)
{
	struct mp_call c = {.t_ns = START_NS + (int64_t)(t_s * 1e9),
	    .tid = tid,
	    .op = site == STEADY ? MP_OP_FREE : MP_OP_MALLOC,
	    .kept = kept,
	    .weight = weight,
	    .size_bytes = site == STEADY ? 0 : 100,
	    .dur_ns = (int64_t)dur_ns,
	    .stack_id = site};
	int64_t id = 0;

	cr_assert_eq(mp_append_call(s, &c, &id, &err), 0, "%s", err.text);
	return id;
}

static void append_stacks(void)
{
	static const char *const names[] = {"steady", "slower", "oftener", "two_modes", "noisy"};

	for (int64_t i = 1; i <= SITES; i++) {
		struct mp_stack_row stack = {i, &i, 1, 3, 0};

		cr_assert_eq(mp_append_frame(s, i, 0x1000 + (uint64_t)i, 0, 0, &err), 0);
		cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
		cr_assert_eq(mp_update_site(s, i, names[i - 1], &err), 0);
	}
}

/* Samples of a site: its calls, 20 or 80 of which a sample stands for, by the second. */
static void append_samples(int site, double t_s, double calls_per_s)
{
	uint32_t weight = (int)t_s % 2 ? 20 : 80;

	for (double t = exponential() * weight / calls_per_s; t < 1;
	     t += exponential() * weight / calls_per_s) {
		double ns = 100;

		if (site == SLOWER && t_s >= SLOWER_S)
			ns = 250;
		if (site == TWO_MODES && uniform() < 0.4)
			ns = 2000;
		call(t_s + t, 100 + (int64_t)(uniform() * 3), site, ns * exp(0.3 * normal()), MP_KEPT_SAMPLE,
		    weight);
	}
}

static void append_outliers(void)
{
	for (double t = 0.0037; t < LENGTH_S; t += 0.01)
		if (uniform() < 0.3) {
			int64_t id = call(t + 0.0002 * normal(), 100 + (int64_t)(uniform() * 3), NOISY, 20000,
			    MP_KEPT_OUTLIER, 1);

			cause(id, "irq", "local_timer cpu 1", 15000);
			cause(id, "unexplained", NULL, 5000);
		}
	for (double t = exponential() / 30; t < LENGTH_S; t += exponential() / 30)
		call(t, 100 + (int64_t)(uniform() * 3), NOISY, 12000, MP_KEPT_OUTLIER, 1);
	for (int i = 0; i < 40; i++)
		cause(call(BURST_S + i * 0.0001, 102, NOISY, 30000, MP_KEPT_OUTLIER, 1), "off_cpu",
		    "ran: backup/77", 30000);
}

/* Every 7 s, 50 ms long; frees in it are ten times as slow. */
static void append_gc(void)
{
	for (int i = 0; i < 8; i++) {
		char sql[160];
		double t = 3 + 7 * i;

		snprintf(sql, sizeof(sql),
		    "INSERT INTO gc (t_ns, dur_ns, is_pause, runtime, source) VALUES (%lld, 50000000, 1, "
		    "'test', 'probes')",
		    (long long)(START_NS + (int64_t)(t * 1e9)));
		cr_assert_eq(sqlite3_exec(mp_session_db(s), sql, NULL, NULL, NULL), SQLITE_OK);
		for (int k = 0; k < 20; k++)
			call(t + uniform() * 0.05, 100, STEADY, 1000 * exp(0.3 * normal()), MP_KEPT_SAMPLE,
			    20);
	}
}

static void create(void)
{
	int fd = mkstemp(path);

	close(fd);
	begin(77);
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "backend", "preload");
	mp_session_set(s, &err, "start_ns", "%lld", START_NS);
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + LENGTH_S * SECOND);
	for (int64_t tid = 100; tid < 103; tid++)
		cr_assert_eq(mp_append_thread(s, tid, "worker", START_NS, NULL, &err), 0);
	append_stacks();
}

static void reopen(void)
{
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
}

static void record(bool with_patterns)
{
	create();
	for (int t = 0; t < LENGTH_S; t++) {
		append_samples(STEADY, t, 2000);
		if (!with_patterns)
			continue;
		append_samples(SLOWER, t, 1000);
		append_samples(OFTENER, t, t < OFTENER_S ? 500 : 2000);
		append_samples(TWO_MODES, t, 1000);
	}
	if (with_patterns) {
		append_outliers();
		append_gc();
	}
	reopen();
}

static void setup(void)
{
	record(true);
}

static void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(patterns, .init = setup, .fini = teardown, .timeout = 120);

static char *report(enum mp_format format, int64_t limit)
{
	struct mp_report_filter filter = {.from_ns = -1, .to_ns = -1, .limit = limit};
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(
	    mp_report_run(s, mp_report_find("jitter", &err), &filter, out, format, &err), 0, "%s", err.text);
	fclose(out);
	return text;
}

/* What SQL says of the report's JSON, ?1; the rows of table NAME are json_each(?1, '$.tables.NAME'). */
static void holds(const char *text, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &stmt, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(s)));
	sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s", sqlite3_errmsg(mp_session_db(s)));
	cr_assert_eq(sqlite3_column_int(stmt, 0), 1, "%s\n%s", sql, text);
	sqlite3_finalize(stmt);
}

Test(patterns, the_timer_is_found_and_named)
{
	char *text = report(MP_FORMAT_JSON, -1);

	holds(text, "SELECT json_array_length(?1, '$.tables.rhythm') = 1");
	holds(text,
	    "SELECT abs(value ->> 'period_ns' - 10000000) < 10000 AND value ->> 'p_value' < 0.001"
	    " AND value ->> 'share' BETWEEN 0.4 AND 0.6 AND value ->> 'cause' = 'irq (local_timer cpu 1)'"
	    " AND value ->> 'cause_share' > 0.8 AND value ->> 'thread' IS NULL"
	    " AND abs(value ->> 'phase_ns' - 3700000) < 100000"
	    " AND value ->> 'rhythm' LIKE 'every 10.0 ms, % of the outliers, mostly irq (local_timer cpu 1), "
	    "in phase throughout' FROM json_each(?1, '$.tables.rhythm')");
	holds(text,
	    "SELECT group_concat(value ->> 'trait' || ' ' || (value ->> 'value'), ', ') LIKE"
	    " 'cause irq (local_timer cpu 1), thread worker (10_), site noisy, size malloc 65 to 128 B, op "
	    "malloc'"
	    " AND max(value ->> 'share') = 1 AND min(value ->> 'period_ns') = "
	    " json_extract(?1, '$.tables.rhythm[0].period_ns') FROM json_each(?1, '$.tables.rhythm_traits')");
	free(text);
}

Test(patterns, the_burst_is_found_with_what_was_common)
{
	char *text = report(MP_FORMAT_JSON, -1);

	holds(text, "SELECT json_array_length(?1, '$.tables.clusters') = 1");
	holds(text,
	    "SELECT abs(value ->> 't_ns' - 41000000000) < 2000000 AND value ->> 'outliers' BETWEEN 40 AND 43"
	    " AND abs(value ->> 'dur_ns' - 3900000) < 2000000 AND value ->> 'expected' < 10"
	    " AND value ->> 'trait' = 'cause' AND value ->> 'value' = 'off_cpu (ran: backup/77)'"
	    " AND value ->> 'share' > 0.9 AND value ->> 'elsewhere_share' = 0"
	    " FROM json_each(?1, '$.tables.clusters')");
	free(text);
}

Test(patterns, what_changed_is_found_and_the_sampling_is_no_change)
{
	char *text = report(MP_FORMAT_JSON, -1);

	holds(text, "SELECT group_concat(what, ', ') = 'rate oftener, latency slower' FROM"
		    " (SELECT value ->> 'changed' || ' ' || (value ->> 'site') AS what"
		    "  FROM json_each(?1, '$.tables.changes') ORDER BY value ->> 'site')");
	holds(text,
	    "SELECT abs(value ->> 't_ns' - 35000000000) < 2000000000"
	    " AND abs(value ->> 'before_p50_ns' - 100) < 10 AND abs(value ->> 'after_p50_ns' - 250) < 25"
	    " AND abs(value ->> 'before_per_s' - 1000) < 100 AND value ->> 'after_size_bytes' = 100"
	    " FROM json_each(?1, '$.tables.changes') WHERE value ->> 'site' = 'slower'");
	holds(text,
	    "SELECT abs(value ->> 't_ns' - 20000000000) < 3000000000"
	    " AND abs(value ->> 'before_per_s' - 500) < 100 AND abs(value ->> 'after_per_s' - 2000) < 200"
	    " FROM json_each(?1, '$.tables.changes') WHERE value ->> 'site' = 'oftener'");
	free(text);
}

Test(patterns, the_site_with_two_modes_is_found)
{
	char *text = report(MP_FORMAT_JSON, -1);

	holds(text, "SELECT count(*) = 1 AND abs(min(value ->> 'fast_ns') - 100) < 10"
		    " AND abs(min(value ->> 'slow_ns') - 2000) < 200 AND abs(min(value ->> 'slow_share') - "
		    "0.4) < 0.05"
		    " AND min(value ->> 'valley_ns') BETWEEN 200 AND 1300"
		    " FROM json_each(?1, '$.tables.modes') WHERE value ->> 'site' = 'two_modes'");
	holds(text, "SELECT count(*) = 0 FROM json_each(?1, '$.tables.modes')"
		    " WHERE value ->> 'site' IN ('steady', 'oftener')");
	free(text);
}

Test(patterns, collections_make_frees_slow)
{
	char *text = report(MP_FORMAT_JSON, -1);

	holds(text,
	    "SELECT count(*) = 1 AND min(value ->> 'delta') > 0.47 AND min(value ->> 'p_value') < 1e-6"
	    " AND min(value ->> 'rows_in') >= 160 AND abs(min(value ->> 'in_p50_ns') - 1000) < 150"
	    " AND abs(min(value ->> 'out_p50_ns') - 100) < 10"
	    " FROM json_each(?1, '$.tables.gc') WHERE value ->> 'what' = 'free'");
	holds(text,
	    "SELECT count(*) = 0 FROM json_each(?1, '$.tables.gc') WHERE value ->> 'what' LIKE 'span%'");
	free(text);
}

/* The connection is as before, and the same report can be had again. */
Test(patterns, a_report_leaves_the_session_read_only)
{
	char *first = report(MP_FORMAT_TABLE, -1), *second = report(MP_FORMAT_TABLE, -1);

	cr_assert_str_eq(first, second);
	cr_assert_neq(sqlite3_exec(mp_session_db(s), "CREATE TEMP TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	free(first);
	free(second);
}

Test(patterns_none, where_nothing_is_a_line_says_so, .timeout = 120)
{
	record(false);
	char *text = report(MP_FORMAT_TABLE, -1);

	cr_assert(strstr(text, "\n\nRhythm of the outliers: no period"), "%s", text);
	cr_assert(strstr(text, "\n\nBursts of outliers: none"), "%s", text);
	cr_assert(strstr(text, "\n\nSites that changed: no site"), "%s", text);
	cr_assert(strstr(text, "\n\nSites with two modes of latency: none"), "%s", text);
	cr_assert(strstr(text, "no collections were recorded"), "%s", text);
	free(text);
	text = report(MP_FORMAT_JSON, -1);
	holds(text, "SELECT json_array_length(?1, '$.tables.rhythm') = 0");
	free(text);
	teardown();
}

/* The other threads' outliers hide it. */
Test(patterns_none, a_rhythm_of_one_thread_is_found_in_it, .timeout = 120)
{
	create();
	for (double t = 0; t < LENGTH_S; t += exponential() / 400)
		call(t, 100, NOISY, 12000, MP_KEPT_OUTLIER, 1);
	for (double t = 0; t < LENGTH_S; t += exponential() / 10)
		call(t, 101, NOISY, 12000, MP_KEPT_OUTLIER, 1);
	for (double t = 0.05; t < LENGTH_S; t += 0.1)
		call(t, 101, NOISY, 12000, MP_KEPT_OUTLIER, 1);
	reopen();
	char *text = report(MP_FORMAT_JSON, -1);
	holds(text, "SELECT json_array_length(?1, '$.tables.rhythm') = 1");
	holds(text,
	    "SELECT abs(value ->> 'period_ns' - 100000000) < 100000 AND value ->> 'thread' = 'worker (101)'"
	    " AND value ->> 'outliers' BETWEEN 550 AND 650 AND value ->> 'rhythm' LIKE"
	    " 'every 100 ms in thread worker (101), % of the outliers, mostly at noisy, in phase throughout'"
	    " FROM json_each(?1, '$.tables.rhythm')");
	free(text);
	teardown();
}

Test(patterns_none, where_everything_is_kept_the_slowest_are_the_outliers, .timeout = 120)
{
	create();
	for (double t = 0; t < LENGTH_S; t += exponential() / 500)
		call(t, 100, STEADY, 100 * exp(0.3 * normal()), MP_KEPT_FULL, 1);
	for (double t = 0.01; t < LENGTH_S; t += 0.2)
		call(t, 100, STEADY, 5000, MP_KEPT_FULL, 1);
	reopen();
	char *text = report(MP_FORMAT_JSON, -1);
	holds(text,
	    "SELECT count(*) = 1 AND abs(min(value ->> 'period_ns') - 200000000) < 200000"
	    " AND min(value ->> 'outliers') BETWEEN 280 AND 310 FROM json_each(?1, '$.tables.rhythm')");
	free(text);
	teardown();
}

/* Rows that no recorder writes: none of them is taken for more than it is. */
Test(patterns_none, hostile_rows_are_borne, .timeout = 120)
{
	static const char sql[] =
	    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 3000)"
	    "INSERT INTO call SELECT n * 3000000000000000, CASE n % 4 WHEN 0 THEN 9000000000123 + n"
	    "  WHEN 1 THEN 9223372036854775807 WHEN 2 THEN -9223372036854775807 ELSE 9030000000000 END,"
	    "  n * 99999999999, n % 300 - 100, (n % 7 - 3) * 2000000000000000000, n,"
	    "  (n % 5 - 1) * 3000000000000000000, n % 6, (n % 3 - 1) * 3074457345618258602,"
	    "  (n % 9 - 4) * 2000000000000000000, n % 3 FROM i;"
	    "INSERT INTO gc (t_ns, dur_ns, is_pause, runtime, source) VALUES"
	    "  (9000000000123, 9223372036854775807, 1, 'x', 'log'), (-9223372036854775807, -5, 1, 'x', "
	    "'log'),"
	    "  (9223372036854775807, 9223372036854775807, 1, 'x', 'log');"
	    "INSERT INTO span (name, tid, t_ns, dur_ns) SELECT 's', 1, 9000000000123 + call_id % 1000, "
	    "dur_ns FROM call;"
	    "UPDATE session SET value = '-4000000000000000000' WHERE key = 'start_ns';"
	    "UPDATE session SET value = '4000000000000000000' WHERE key = 'end_ns';";
	struct mp_session *edit;

	record(false);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(mp_session_edit(path, &edit, &err), 0, "%s", err.text);
	cr_assert_eq(sqlite3_exec(mp_session_db(edit), sql, NULL, NULL, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(edit)));
	cr_assert_eq(mp_session_close(edit, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
	char *text = report(MP_FORMAT_JSON, 0);
	holds(text, "SELECT json_valid(?1)");
	free(text);
	teardown();
}
