/* SPDX-License-Identifier: MIT */
#include "analysis/jitter/jitter.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/stats/stats.h"
#include "store/append.h"
#include "store/histogram.h"
#include "store/op.h"

/*
 * A recording of SLOTS seconds whose every duration is known, in two operations and three sizes, in phases of
 * which one comes twice. Every figure of the report's histograms is compared with what sorting durations
 * gives.
 */
#define START_NS 7000000000123LL
#define SLOTS    10
#define PER_SLOT 5003
#define CALLS    (SLOTS * PER_SLOT)
#define SECOND   1000000000LL

static char path[] = "/tmp/mp-jitter-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static struct {
	int slot;
	uint32_t op, size_class;
	uint64_t ns;
} calls[CALLS];

/* By slot: the phase in which it begins. The first slot is in none. */
static const char *const phase_of[SLOTS] = {
    NULL, "open", "open", "continuous", "continuous", "halt", "continuous", "continuous", "continuous", NULL};

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

static uint64_t next_duration(int slot)
{
	uint64_t ns = next_random(30) * (1 + next_random(20));

	if (next_random(300) == 0)
		ns = (ns + 1) * (1 + next_random(5000));
	return slot == 5 ? ns * 3 : ns;
}

static void append_calls(void)
{
	static struct mp_hist hist[2][3];

	for (int slot = 0, next = 0; slot < SLOTS; slot++) {
		memset(hist, 0, sizeof(hist));
		for (int i = 0; i < PER_SLOT; i++, next++) {
			uint32_t op = next_random(2) ? MP_OP_FREE : MP_OP_MALLOC;
			uint32_t class = op == MP_OP_FREE ? 0 : (uint32_t)next_random(3);
			uint64_t ns = next_duration(slot);
			struct mp_hist *h = &hist[op == MP_OP_FREE][class];

			calls[next].slot = slot;
			calls[next].op = op;
			calls[next].size_class = class;
			calls[next].ns = ns;
			h->calls++;
			h->sum_ns += ns;
			h->max_ns = ns > h->max_ns ? ns : h->max_ns;
			h->bucket[mp_hist_bucket(ns)]++;
		}
		for (uint32_t i = 0; i < 6; i++) {
			const struct mp_hist *h = &hist[i / 3][i % 3];
			struct mp_latency_sum sum = {h->calls, 0, h->sum_ns, h->max_ns};
			uint32_t op = i / 3 ? MP_OP_FREE : MP_OP_MALLOC;
			int64_t slot_ns = START_NS + slot * SECOND;

			for (uint32_t b = 0; b < MP_HIST_BUCKETS; b++)
				if (h->bucket[b])
					cr_assert_eq(
					    mp_append_latency(s, slot_ns, op, i % 3, b, h->bucket[b], &err),
					    0);
			if (h->calls)
				cr_assert_eq(mp_append_latency_sum(s, slot_ns, op, i % 3, &sum, &err), 0);
		}
	}
}

static void append_phase(const char *name, int64_t start_ns, int64_t end_ns)
{
	int64_t id;

	cr_assert_eq(mp_append_phase(s, name, start_ns, "marker", &id, &err), 0);
	if (end_ns)
		cr_assert_eq(mp_update_phase(s, id, end_ns, &err), 0);
}

static void append_windows(void)
{
	for (int slot = 0; slot < SLOTS; slot++) {
		int64_t slot_ns = START_NS + slot * SECOND;
		/* The worst of few calls is not the worst. */
		struct mp_latency_window w = {.t_ns = slot_ns + 300000000,
		    .dur_ns = 100000000,
		    .calls = slot == 2 ? 99 : 100,
		    .p99_ns = slot == 2   ? 90000
			      : slot == 7 ? 50000
					  : 1000 + (uint64_t)slot};

		cr_assert_eq(mp_append_latency_window(s, slot_ns, MP_OP_FREE, &w, &err), 0);
	}
}

static void create(void)
{
	close(mkstemp(path));
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "start_ns", "%lld", (long long)START_NS);
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + SLOTS * SECOND);
}

static void open_again(void)
{
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
}

static void setup(void)
{
	create();
	append_calls();
	append_windows();
	append_phase("open", START_NS + SECOND / 2, START_NS + 3 * SECOND);
	append_phase("continuous", START_NS + 3 * SECOND, START_NS + 9 * SECOND / 2);
	append_phase("halt", START_NS + 9 * SECOND / 2, START_NS + 6 * SECOND);
	append_phase("continuous", START_NS + 6 * SECOND, START_NS + 9 * SECOND);
	open_again();
}

static void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(jitter, .init = setup, .fini = teardown, .timeout = 120);

static const struct mp_report_filter everything = {.from_ns = -1, .to_ns = -1, .limit = -1};

static char *run_report(struct mp_report_filter filter, enum mp_format format)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc = mp_report_run(s, mp_report_find("jitter", &err), &filter, out, format, &err);

	fclose(out);
	cr_assert_eq(rc, 0, "%s", err.text);
	return text;
}

static sqlite3_stmt *query(const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK, "%s: %s",
	    sqlite3_errmsg(mp_session_db(s)), sql);
	return st;
}

/* A number from one row, by column; -1 for NULL. */
static double column(sqlite3_stmt *st, const char *name)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		if (!strcmp(sqlite3_column_name(st, i), name))
			return sqlite3_column_type(st, i) == SQLITE_NULL ? -1 : sqlite3_column_double(st, i);
	cr_assert(false, "no column %s", name);
	return 0;
}

/* The number of a report's table in JSON at `where`; -1 for null. */
static double json(const char *text, const char *where)
{
	sqlite3_stmt *st = query("SELECT json_extract(?, ?) AS value");

	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, where, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s: %s", sqlite3_errmsg(mp_session_db(s)), text);
	double value = column(st, "value");
	sqlite3_finalize(st);
	return value;
}

/* ---- What sorting gives ---- */

struct chosen {
	uint64_t ns[CALLS];
	int64_t n;
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted durations; `size_class`, `slot` < 0: any; `phase` "": any. */
static struct chosen *choose(uint32_t op, int size_class, int slot, const char *phase)
{
	static struct chosen c;

	c.n = 0;
	for (int i = 0; i < CALLS; i++) {
		const char *of = phase_of[calls[i].slot];

		if (calls[i].op != op || (size_class >= 0 && calls[i].size_class != (uint32_t)size_class) ||
		    (slot >= 0 && calls[i].slot != slot))
			continue;
		if (!phase ? of != NULL : *phase && (!of || strcmp(of, phase)))
			continue;
		c.ns[c.n++] = calls[i].ns;
	}
	qsort(c.ns, (size_t)c.n, sizeof(*c.ns), by_value);
	return &c;
}

/* The middle of the bucket of the value of that rank. */
static double middle(const struct chosen *c, int64_t i)
{
	unsigned int bucket = mp_hist_bucket(c->ns[i]);
	uint64_t ns = (mp_hist_lo_ns(bucket) + mp_hist_hi_ns(bucket)) / 2;

	return (double)(ns < c->ns[c->n - 1] ? ns : c->ns[c->n - 1]);
}

static double percentile(const struct chosen *c, int tail)
{
	return middle(c, (c->n * (100000 - tail) + 99999) / 100000 - 1);
}

static double mean(const struct chosen *c)
{
	double sum = 0;

	for (int64_t i = 0; i < c->n; i++)
		sum += (double)c->ns[i];
	return sum / (double)c->n;
}

static double stddev(const struct chosen *c)
{
	double square = 0, m = mean(c);

	for (int64_t i = 0; i < c->n; i++)
		square += (middle(c, i) - m) * (middle(c, i) - m);
	return sqrt(square / (double)c->n);
}

static const struct {
	const char *column;
	int tail;
} quantiles[] = {{"p50_ns", 50000}, {"p90_ns", 10000}, {"p99_ns", 1000}, {"p999_ns", 100}, {"p9999_ns", 10},
    {"p99999_ns", 1}};

/* One row of jitter_spread or v_jitter. */
static void same_spread(sqlite3_stmt *st, const struct chosen *c)
{
	cr_assert_eq(column(st, "calls"), c->n);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
		cr_assert_eq(column(st, quantiles[i].column), percentile(c, quantiles[i].tail), "%s: %g",
		    quantiles[i].column, column(st, quantiles[i].column));
	cr_assert_eq(column(st, "max_ns"), (double)c->ns[c->n - 1]);
	cr_assert_float_eq(column(st, "mean_ns"), mean(c), 1e-9 * mean(c));
	cr_assert_float_eq(column(st, "stddev_ns"), stddev(c), 1e-9 * stddev(c));
}

static const uint32_t ops[] = {MP_OP_MALLOC, MP_OP_FREE};

Test(jitter, v_jitter_is_what_sorting_gives)
{
	sqlite3_stmt *st = query("SELECT * FROM v_jitter");

	for (int i = 0; i < 4; i++) {
		int class = i % 3;

		cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
		cr_assert_str_eq((const char *)sqlite3_column_text(st, 0), i == 3 ? "free" : "malloc");
		cr_assert_eq(column(st, "size_lo_bytes"), (double)mp_size_class_lo((unsigned int)class));
		cr_assert_eq(column(st, "size_hi_bytes"), (double)mp_size_class_hi((unsigned int)class));
		const struct chosen *c = choose(ops[i / 3], class, -1, "");

		same_spread(st, c);
		cr_assert_float_eq(column(st, "cv"), stddev(c) / mean(c), 1e-9 * stddev(c) / mean(c));
		cr_assert_float_eq(
		    column(st, "p999_over_p50"), percentile(c, 100) / percentile(c, 50000), 1e-9);
	}
	cr_assert_eq(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
}

static void fill(void)
{
	struct mp_report_scope scope = {.start_ns = START_NS, .from_ns = INT64_MIN, .to_ns = INT64_MAX};

	cr_assert_eq(mp_jitter_fill(s, &scope, &err), 0, "%s", err.text);
}

static sqlite3_stmt *spread_of(const char *kind, int64_t key, uint32_t op)
{
	sqlite3_stmt *st =
	    query("SELECT * FROM temp.jitter_spread WHERE kind = ? AND key IS nullif(?, -1) AND op_id = ?");

	sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, key);
	sqlite3_bind_int64(st, 3, op);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s %lld %u", kind, (long long)key, op);
	return st;
}

static void one_row(sqlite3_stmt *st)
{
	cr_assert_eq(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
}

Test(jitter, every_spread_is_what_sorting_gives)
{
	/* As they are numbered; -1: none. */
	static const char *const phases[] = {"open", "continuous", "halt"};

	fill();
	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *st = spread_of("op", 0, ops[i]);

		same_spread(st, choose(ops[i], -1, -1, ""));
		one_row(st);
		for (int class = 0; class < (i ? 1 : 3); class ++) {
			st = spread_of("size", class, ops[i]);
			same_spread(st, choose(ops[i], class, -1, ""));
			one_row(st);
		}
		for (int slot = 0; slot < SLOTS; slot++) {
			st = spread_of("slot", START_NS + slot * SECOND, ops[i]);
			same_spread(st, choose(ops[i], -1, slot, ""));
			one_row(st);
		}
		for (int phase = -1; phase < 3; phase++) {
			st = spread_of("phase", phase, ops[i]);
			same_spread(st, choose(ops[i], -1, -1, phase < 0 ? NULL : phases[phase]));
			one_row(st);
		}
	}
	one_row(query("SELECT 1 FROM temp.jitter_spread WHERE op_id NOT IN (0, 4)"));
}

Test(jitter, filled_again_it_begins_anew)
{
	struct mp_report_scope scope = {
	    .start_ns = START_NS, .from_ns = START_NS + SECOND, .to_ns = START_NS + 2 * SECOND};

	fill();
	cr_assert_eq(mp_jitter_fill(s, &scope, &err), 0, "%s", err.text);
	sqlite3_stmt *st = spread_of("op", 0, MP_OP_FREE);
	same_spread(st, choose(MP_OP_FREE, -1, 1, ""));
	one_row(st);
	st = query("PRAGMA query_only");
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_eq(sqlite3_column_int(st, 0), 1, "nothing can be written any more");
	sqlite3_finalize(st);
}

/* What the definition says of a bound: the outer end of the bucket of the value of that rank. */
Test(jitter, percentiles_have_bounds_and_what_they_stand_on)
{
	char *text = run_report(everything, MP_FORMAT_JSON), where[80];

	for (int i = 0; i < 12; i++) {
		const struct chosen *c = choose(ops[i / 6], -1, -1, "");
		int tail = quantiles[i % 6].tail;
		struct mp_ranks r = mp_quantile_interval(c->n, (uint32_t)tail);
		int64_t beyond = c->n * tail / 100000;
		double lo = (double)mp_hist_lo_ns(mp_hist_bucket(c->ns[r.lo - 1])), hi = -1;

		if (r.hi <= c->n)
			hi = fmin(
			    (double)c->ns[c->n - 1], (double)mp_hist_hi_ns(mp_hist_bucket(c->ns[r.hi - 1])));
		snprintf(where, sizeof(where), "$.tables.percentiles[%d].beyond_calls", i);
		cr_assert_eq(json(text, where), (double)beyond);
		snprintf(where, sizeof(where), "$.tables.percentiles[%d].dur_ns", i);
		cr_assert_eq(json(text, where), beyond ? percentile(c, tail) : -1);
		snprintf(where, sizeof(where), "$.tables.percentiles[%d].lo_ns", i);
		cr_assert_eq(json(text, where), lo);
		snprintf(where, sizeof(where), "$.tables.percentiles[%d].hi_ns", i);
		cr_assert_eq(json(text, where), hi);
	}
	/* About 25,000 calls each: 2 beyond p99.99, none beyond p99.999. */
	sqlite3_stmt *st = query("SELECT group_concat(coalesce(value ->> 'note', '-'), ' ')"
				 " FROM json_each(?, '$.tables.percentiles')");
	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_str_eq((const char *)sqlite3_column_text(st, 0),
	    "- - - - few calls not known - - - - few calls not known");
	sqlite3_finalize(st);
	cr_assert_eq(json(text, "$.tables.percentiles[5].hi_ns"), -1, "no upper bound");
	free(text);
}

Test(jitter, for_people_what_is_not_known_is_left_out)
{
	struct mp_report_filter filter = everything;
	char *text = run_report(everything, MP_FORMAT_TABLE);

	cr_assert(strstr(text, "\nmalloc  p99.99 "), "%s", text);
	cr_assert(strstr(text, "few calls"), "%s", text);
	cr_assert_null(strstr(text, "p99.999"), "%s", text);
	cr_assert(strstr(text, "By phase\n"), "%s", text);
	free(text);
	filter.table = "percentiles";
	text = run_report(filter, MP_FORMAT_TABLE);
	cr_assert(strstr(text, "p99.999"), "%s", text);
	cr_assert(strstr(text, "not known"), "%s", text);
	free(text);
}

Test(jitter, steps_of_the_histogram_are_powers_of_two)
{
	fill();
	for (int i = 0; i < 2; i++) {
		const struct chosen *c = choose(ops[i], -1, -1, "");
		sqlite3_stmt *st = query("SELECT * FROM temp.jitter_step WHERE op_id = ? ORDER BY lo_ns");
		int64_t upto = 0;
		double next = 0;

		sqlite3_bind_int64(st, 1, ops[i]);
		while (sqlite3_step(st) == SQLITE_ROW) {
			double lo = column(st, "lo_ns"), hi = column(st, "hi_ns"), calls_in = 0;

			cr_assert_eq(lo, next);
			cr_assert_eq(hi, lo ? 2 * lo - 1 : 0);
			for (int64_t k = 0; k < c->n; k++)
				calls_in += (double)c->ns[k] >= lo && (double)c->ns[k] <= hi;
			cr_assert_eq(column(st, "calls"), calls_in);
			cr_assert_eq(column(st, "bits"), calls_in ? floor(log2(calls_in)) + 1 : 0);
			upto += (int64_t)calls_in;
			next = hi + 1;
		}
		cr_assert_eq(upto, c->n);
		cr_assert_gt(next, (double)c->ns[c->n - 1]);
		cr_assert_leq(next / 2, (double)c->ns[c->n - 1], "no empty steps at the end");
		sqlite3_finalize(st);
	}
}

Test(jitter, the_worst_second_and_window)
{
	char *text = run_report(everything, MP_FORMAT_JSON);

	cr_assert_eq(json(text, "$.tables.ops[0].worst_t_ns"), 5e9);
	cr_assert_eq(
	    json(text, "$.tables.ops[0].worst_p99_ns"), percentile(choose(MP_OP_MALLOC, -1, 5, ""), 1000));
	cr_assert_eq(json(text, "$.tables.ops[0].worst_window_p99_ns"), -1);
	cr_assert_eq(json(text, "$.tables.ops[1].worst_window_t_ns"), 7.3e9);
	cr_assert_eq(json(text, "$.tables.ops[1].worst_window_p99_ns"), 50000);
	free(text);
}

Test(jitter, phases_are_told_in_order_and_by_name)
{
	char *text = run_report(everything, MP_FORMAT_JSON);
	sqlite3_stmt *st =
	    query("SELECT group_concat(concat) FROM (SELECT coalesce(value ->> 'phase', '-') || ':' ||"
		  " coalesce(value ->> 't_ns', '-') || ':' || (value ->> 'seconds') AS concat"
		  " FROM json_each(?, '$.tables.phases') WHERE value ->> 'op' = 'free')");

	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_str_eq((const char *)sqlite3_column_text(st, 0),
	    "-:-:2,open:500000000:2,continuous:3000000000:5,halt:4500000000:1");
	sqlite3_finalize(st);
	free(text);
}

/* ---- Only one phase ---- */

static char *run_phase(const char *report, const char *phase, enum mp_format format)
{
	struct mp_report_filter filter = everything;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	filter.phase = phase;
	int rc = mp_report_run(s, mp_report_find(report, &err), &filter, out, format, &err);
	fclose(out);
	cr_assert_eq(!rc, *text != 0);
	if (rc) {
		cr_assert_eq(rc, -EINVAL, "%s", err.text);
		free(text);
		text = NULL;
	}
	return text;
}

Test(jitter, only_one_phase)
{
	/* Histograms count by the second: rounded outwards. */
	char *text = run_phase("jitter", "halt", MP_FORMAT_JSON);
	cr_assert_eq(json(text, "$.coverage.from_ns"), 4e9);
	cr_assert_eq(json(text, "$.coverage.to_ns"), 6e9);
	cr_assert_eq(json(text, "$.coverage.calls_counted"), 2 * PER_SLOT);
	free(text);
	text = run_phase("outliers", "halt", MP_FORMAT_JSON);
	cr_assert_eq(json(text, "$.coverage.from_ns"), 4.5e9);
	cr_assert_eq(json(text, "$.coverage.to_ns"), 6e9);
	free(text);
	text = run_phase("outliers", "continuous#2", MP_FORMAT_TABLE);
	cr_assert(
	    strstr(text, "only continuous#2, from 6.000000 s to 9.000000 s of the recording"), "%s", text);
	free(text);
	text = run_phase("outliers", "open#1", MP_FORMAT_JSON);
	cr_assert_eq(json(text, "$.coverage.from_ns"), 0.5e9);
	free(text);
}

Test(jitter, a_phase_that_is_none_is_refused)
{
	struct mp_report_filter both = {.phase = "halt", .from_ns = 1, .to_ns = -1, .limit = -1};

	cr_assert_null(run_phase("jitter", "close", MP_FORMAT_JSON));
	cr_assert(strstr(err.text, "there is no phase close in /tmp/"), "%s", err.text);
	cr_assert(strstr(err.text, ": it has open, continuous, halt"), "%s", err.text);
	cr_assert_null(run_phase("jitter", "continuous", MP_FORMAT_JSON));
	cr_assert_str_eq(
	    err.text, "phase continuous came 2 times: tell which, from continuous#1 to continuous#2");
	static const char *const none[] = {
	    "continuous#3", "continuous#0", "continuous#", "continuous#2x", "#1", "#"};
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		cr_assert_null(run_phase("jitter", none[i], MP_FORMAT_JSON));
		cr_assert(strstr(err.text, "it has open, continuous, halt"), "%s: %s", none[i], err.text);
	}
	cr_assert_eq(
	    mp_report_run(s, mp_report_find("jitter", &err), &both, stdout, MP_FORMAT_JSON, &err), -EINVAL);
	cr_assert(strstr(err.text, "not both"), "%s", err.text);
}

/* ---- Sessions of somebody else ---- */

TestSuite(jitter_hostile, .init = create, .fini = teardown, .timeout = 120);

static void exec(const char *sql)
{
	cr_assert_eq(sqlite3_exec(mp_session_db(s), sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s",
	    sqlite3_errmsg(mp_session_db(s)), sql);
}

static void every_format(void)
{
	for (int format = MP_FORMAT_TABLE; format <= MP_FORMAT_CSV; format++)
		free(run_report(everything, (enum mp_format)format));
}

Test(jitter_hostile, numbers_out_of_range)
{
	static const char *const wild[] = {
	    "-9223372036854775808", "-1", "0", "3", "2303", "9223372036854775807"};
	char sql[400];

	for (int i = 0; i < 6 * 6 * 6; i++) {
		const char *a = wild[i % 6], *b = wild[i / 6 % 6], *c = wild[i / 36];

		snprintf(sql, sizeof(sql),
		    "INSERT OR REPLACE INTO latency VALUES (%s, %s, 0, %s, 7), (%s, 0, %s, 5, %s)", a, b, c,
		    a, b, c);
		exec(sql);
		snprintf(sql, sizeof(sql),
		    "INSERT OR REPLACE INTO latency_sum VALUES (%s, 0, 0, %s, 0, %s, %s)", a, b, c, b);
		exec(sql);
		snprintf(sql, sizeof(sql),
		    "INSERT OR REPLACE INTO latency_window VALUES (%s, 0, %s, %s, %s, %s)", a, b, c, b, a);
		exec(sql);
		snprintf(sql, sizeof(sql),
		    "INSERT INTO call VALUES (NULL, %s, %s, 0, 0, 0, %s, %s, %s, NULL, NULL)", a, b, c,
		    i % 3 ? "1" : "2", a);
		exec(sql);
		snprintf(sql, sizeof(sql), "INSERT INTO phase VALUES (NULL, '', %s, %s, '')", a, b);
		exec(sql);
	}
	open_again();
	every_format();
	fill();
	one_row(query("SELECT 1 FROM temp.jitter_spread WHERE calls < 1 OR max_ns < 0 OR p50_ns > p99_ns"));
}

Test(jitter_hostile, phases_of_any_name_and_time)
{
	exec("INSERT INTO phase VALUES (1, 'a#1', 7000000000123, 7001000000123, ''),"
	     " (2, 'past', -9223372036854775808, 5, ''), (3, 'future', 9223372036854775807, NULL, ''),"
	     " (4, 'reverse', 7003000000123, 7001000000123, ''), (5, printf('%.*c', 100000, 'x'), 0, NULL, "
	     "'')");
	exec("INSERT INTO latency_sum VALUES (7000000000123, 0, 0, 1, 1, 1, 1)");
	open_again();
	free(run_phase("jitter", "a#1", MP_FORMAT_JSON));
	cr_assert_null(run_phase("jitter", "past", MP_FORMAT_JSON));
	cr_assert_null(run_phase("jitter", "future", MP_FORMAT_JSON));
	cr_assert_null(run_phase("jitter", "reverse", MP_FORMAT_JSON));
	cr_assert(strstr(err.text, "phase reverse has no time in "), "%s", err.text);
	cr_assert_null(run_phase("jitter", "nope", MP_FORMAT_JSON));
}

Test(jitter_hostile, no_phases)
{
	open_again();
	cr_assert_null(run_phase("jitter", "open", MP_FORMAT_JSON));
	cr_assert(strstr(err.text, "it has none"), "%s", err.text);
}

Test(jitter_hostile, counts_that_have_no_end)
{
	exec(
	    "INSERT INTO latency WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
	    " SELECT 1000000000 * i, 0, 0, i, 9223372036854775807 FROM n");
	open_again();
	fill();
	sqlite3_stmt *st = spread_of("op", 0, MP_OP_MALLOC);
	cr_assert_eq(sqlite3_column_int64(st, 4), MP_CALLS_MAX);
	one_row(st);
	every_format();
}

Test(jitter_hostile, a_table_that_is_missing)
{
	struct mp_report_scope scope = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};

	exec("DROP TABLE phase");
	open_again();
	cr_assert_eq(mp_jitter_fill(s, &scope, &err), -EIO);
	cr_assert(strstr(err.text, "no such table: main.phase"), "%s", err.text);
	cr_assert_neq(sqlite3_exec(mp_session_db(s), "CREATE TEMP TABLE t(x)", NULL, NULL, NULL), SQLITE_OK,
	    "nothing can be written any more");
	cr_assert_eq(sqlite3_get_autocommit(mp_session_db(s)), 1, "no transaction is left open");
}

Test(jitter_hostile, many_phases_and_many_threads)
{
	exec("INSERT INTO phase WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
	     " SELECT NULL, 'phase ' || i, 1000000000 * i, 1000000000 * (i + 1), '' FROM n");
	exec("INSERT INTO latency WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
	     "500)"
	     " SELECT 1000000000 * i, 0, 0, 5, 1 FROM n");
	exec(
	    "INSERT INTO call WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
	    " SELECT NULL, i, i % 10000 + 1, i % 2, 0, 0, 100, 2, 3, NULL, NULL FROM n");
	open_again();
	fill();
	sqlite3_stmt *st = query("SELECT count(*), sum(calls), max(calls) FROM temp.jitter_spread"
				 " WHERE kind = 'phase'");
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_eq(sqlite3_column_int64(st, 0), 64);
	cr_assert_eq(sqlite3_column_int64(st, 1), 500);
	cr_assert_eq(sqlite3_column_int64(st, 2), 500 - 63);
	one_row(st);
	st = query("SELECT count(*), sum(rows), sum(calls), sum(rows) FILTER (WHERE key = 0)"
		   " FROM temp.jitter_spread WHERE kind = 'thread'");
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_assert_eq(sqlite3_column_int64(st, 0), 4096 + 2);
	cr_assert_eq(sqlite3_column_int64(st, 1), 20000);
	cr_assert_eq(sqlite3_column_int64(st, 2), 60000);
	cr_assert_gt(sqlite3_column_int64(st, 3), 10000);
	one_row(st);
	every_format();
}
