/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "analysis/explain/explain.h"
#include "store/append_pool.h"
#include "store/embed.h"
#include "tests/unit/explain_fixture.h"

/* Sessions of pools that are written here, and what report `pools`, the rules and v_pool_advice say of them.
 */
#define SECOND  1000000000LL
#define SECONDS 200

TestSuite(pool_report, .fini = teardown, .timeout = 120);

static int64_t append_pool(const char *name, int64_t capacity, int64_t object_bytes)
{
	struct mp_pool_row row = {.name = name,
	    .source = "markers",
	    .capacity = capacity,
	    .object_bytes = object_bytes,
	    .created_ns = -1};
	int64_t id;

	cr_assert_eq(mp_append_pool(s, &row, &id, &err), 0, "%s", err.text);
	return id;
}

static void append_use(
    int64_t pool, int64_t second, int64_t min, int64_t max, int64_t last, uint64_t failures)
{
	struct mp_pool_use use = {.in_use_min = min,
	    .in_use_max = max,
	    .in_use_last = last,
	    .gets = 100,
	    .puts = 100,
	    .failures = failures,
	    .in_use_bytes_max = -1};

	cr_assert_eq(mp_append_pool_use(s, pool, START_NS + second * SECOND, &use, &err), 0, "%s", err.text);
}

/* Around half of 1000, for as long as the session; `rise` objects more by its end. */
static void append_course(int64_t pool, int64_t rise)
{
	for (int64_t i = 0; i < SECONDS; i++) {
		int64_t level = 450 + i * 7919 % 101 + rise * i / SECONDS;

		append_use(pool, i, level - 50, level, level - 20, 0);
	}
}

static struct mp_pool_sum usual(void)
{
	return (struct mp_pool_sum){.gets = 20000,
	    .puts = 19000,
	    .in_use = 500,
	    .in_use_max = 550,
	    .in_use_max_t_ns = START_NS + SECOND,
	    .in_use_bytes_max = -1,
	    .requested_bytes = -1,
	    .threads = 2,
	    .reuses = 19000,
	    .lifo_reuses = 18000,
	    .reuse_depth_p50 = 1,
	    .objects = 600,
	    .lines = 600,
	    .lines_least = 600,
	    .pages = 10,
	    .pages_least = 10};
}

static void append_sum(int64_t pool, const struct mp_pool_sum *sum)
{
	cr_assert_eq(mp_append_pool_sum(s, pool, sum, &err), 0, "%s", err.text);
}

static void begin(void)
{
	create();
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + SECONDS * SECOND);
	append_stacks();
}

/* One pool that nothing is wrong with. */
static int64_t begin_usual(void)
{
	begin();
	int64_t pool = append_pool("orders", 1000, 64);
	append_course(pool, 0);
	return pool;
}

static struct mp_report_filter of_pool(const char *name)
{
	struct mp_report_filter f = everything;

	f.pools.pool = name;
	return f;
}

static char *pools(struct mp_report_filter f)
{
	return document(f.pools.pool ? &mp_report_pool : mp_report_find("pools", &err), f);
}

static char *table(struct mp_report_filter f)
{
	char *text;

	cr_assert_eq(
	    run(f.pools.pool ? &mp_report_pool : mp_report_find("pools", &err), f, MP_FORMAT_TABLE, &text), 0,
	    "%s", err.text);
	return text;
}

static void expect_word(struct mp_report_filter f, const char *word)
{
	char *text = table(f);

	cr_assert(strstr(text, word), "'%s' is not in:\n%s", word, text);
	free(text);
}

/* The rules that speak, in report pools: those of a forecast included. */
static char *rules(void)
{
	char *text = pools(everything);
	sqlite3_stmt *st =
	    query("SELECT coalesce(group_concat(rule), '') FROM (SELECT DISTINCT value ->> 'rule' AS rule"
		  " FROM json_each(?, '$.tables.advice') ORDER BY rule)",
		text);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	char *found = strdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	free(text);
	return found;
}

/* ---- Rules ---- */

static void make_ran_dry(struct mp_pool_sum *sum)
{
	sum->failures = 17;
	append_use(1, SECONDS / 2, 0, 1000, 500, 17);
}

static void make_hidden(struct mp_pool_sum *sum)
{
	sum->failures = sum->hidden_failures = 5;
	sum->hidden_max = 40;
}

static void make_double(struct mp_pool_sum *sum)
{
	struct mp_pool_event_row event = {.pool_id = 1,
	    .t_ns = START_NS + SECOND,
	    .tid = 100,
	    .kind = "double_put",
	    .stack_id = 1,
	    .n = -1};

	sum->double_puts = 1;
	cr_assert_eq(mp_append_pool_event(s, &event, &err), 0);
}

static void make_foreign(struct mp_pool_sum *sum)
{
	sum->foreign_puts = 3;
}

static void make_not_returned(struct mp_pool_sum *sum)
{
	struct mp_pool_site site = {.ip = 0x1001,
	    .stack_id = 1,
	    .gets = 1000,
	    .holds = 990,
	    .hold_sum_ns = 990000000,
	    .hold_max_ns = SECOND,
	    .hold_p50_ns = 1000000,
	    .hold_p99_ns = 50000000,
	    .held = 10,
	    .oldest_ns = START_NS + SECOND};

	(void)sum;
	cr_assert_eq(mp_append_pool_site(s, 1, &site, &err), 0);
}

static void make_cross(struct mp_pool_sum *sum)
{
	sum->cross_puts = sum->puts / 5;
}

static void make_fifo(struct mp_pool_sum *sum)
{
	sum->fifo_reuses = sum->reuses;
	sum->lifo_reuses = 0;
	sum->reuse_depth_p50 = 512; /* of 64 bytes: 32 KiB */
}

static void make_spread(struct mp_pool_sum *sum)
{
	sum->pages = 32;
	sum->pages_least = 16;
}

static void make_hugepages(struct mp_pool_sum *sum)
{
	sum->pages = sum->pages_least = 1024;
}

static void make_padding(struct mp_pool_sum *sum)
{
	(void)sum;
	cr_assert_eq(mp_update_pool(s, 1, 800, 136, -1, &err), 0);
}

static void make_split(struct mp_pool_sum *sum)
{
	sum->requested_bytes = (int64_t)sum->gets * 32;
}

static void make_merge(struct mp_pool_sum *sum)
{
	struct mp_pool_sum spare = usual();
	int64_t other = append_pool("quotes", 1000, 60);

	sum->in_use_max = 950;
	spare.in_use_max = 400;
	append_sum(other, &spare);
}

static void make_prefault(struct mp_pool_sum *sum)
{
	(void)sum;
	for (int i = 0; i < 4; i++) {
		uint64_t page = 0x7f0000000000 + 4096 * (uint64_t)i;
		struct mp_pool_event_row event = {.pool_id = 1,
		    .t_ns = START_NS + SECOND,
		    .tid = 100,
		    .kind = "high_water",
		    .addr = page + 64,
		    .n = 1};
		struct mp_kernel_event fault = {.t_ns = START_NS + SECOND,
		    .tid = 100,
		    .kind = "minor_fault",
		    .dur_ns = 500,
		    .addr = page + 128};

		cr_assert_eq(mp_append_pool_event(s, &event, &err), 0);
		cr_assert_eq(mp_append_kernel_event(s, &fault, &err), 0);
	}
}

static void make_fragmented(struct mp_pool_sum *sum)
{
	struct mp_pool_heap heap = {.total_bytes = 10 << 20,
	    .used_bytes = 6 << 20,
	    .free_bytes = 4 << 20,
	    .largest_free_bytes = 4096,
	    .unfit_bytes = 1 << 20,
	    .free_pieces = 1000,
	    .requested_bytes = -1};

	(void)sum;
	cr_assert_eq(
	    mp_append_pool_heap(s, append_pool("glibc heap", -1, -1), START_NS + SECOND, &heap, &err), 0);
}

static void make_too_large(struct mp_pool_sum *sum)
{
	(void)sum;
	cr_assert_eq(mp_update_pool(s, 1, 100000, 64, -1, &err), 0);
}

static void make_will_run_dry(struct mp_pool_sum *sum)
{
	int64_t pool = append_pool("fills", 1000, 64);
	struct mp_pool_sum rising = usual();

	(void)sum;
	append_course(pool, 400);
	rising.in_use_max = 950;
	append_sum(pool, &rising);
}

static const struct {
	const char *rule;
	void (*make)(struct mp_pool_sum *sum);
} fires[] = {{"ran_dry", make_ran_dry}, {"hidden_failures", make_hidden}, {"double_put", make_double},
    {"foreign_put", make_foreign}, {"not_returned", make_not_returned}, {"cross_puts", make_cross},
    {"fifo_reuse", make_fifo}, {"spread", make_spread}, {"hugepages", make_hugepages},
    {"padding", make_padding}, {"split", make_split}, {"merge", make_merge}, {"prefault", make_prefault},
    {"fragmented", make_fragmented}, {"too_large", make_too_large}, {"will_run_dry", make_will_run_dry}};
#define FIRES (sizeof(fires) / sizeof(*fires))

Test(pool_report, each_rule_speaks_of_its_finding_and_of_no_other)
{
	for (size_t i = 0; i < FIRES; i++) {
		begin_usual();
		struct mp_pool_sum sum = usual();
		fires[i].make(&sum);
		append_sum(1, &sum);
		reopen();
		char *found = rules();
		cr_assert_str_eq(found, fires[i].rule, "%s: %s", fires[i].rule, found);
		free(found);
		char *text = document(mp_report_find("advice", &err), everything);
		cr_assert_eq(
		    ask(text,
			"SELECT count(*) FROM json_each(?, '$.rows') WHERE value ->> 'rule' LIKE 'pool_%'"
			" AND length(value ->> 'advice') <= 160 AND value ->> 'evidence' <> ''"),
		    1, "%s: %s", fires[i].rule, text);
		free(text);
		if (i + 1 < FIRES)
			teardown();
	}
}

Test(pool_report, rules_are_silent_about_a_sound_pool)
{
	struct mp_pool_sum sum = usual();

	begin_usual();
	append_sum(1, &sum);
	reopen();
	char *found = rules();
	cr_assert_str_empty(found);
	free(found);
	expect_word(everything, "orders did not run dry, and nothing else was found");
}

Test(pool_report, every_rule_is_tried)
{
	create();
	for (const struct mp_embedded *f = mp_embedded_files; f->path; f++) {
		bool found = strncmp(f->path, "sql/advice/pool_", 16) != 0;

		for (size_t i = 0; !found && i < FIRES; i++)
			found = !strncmp(f->path + 16, fires[i].rule, strlen(fires[i].rule)) &&
				!strcmp(f->path + 16 + strlen(fires[i].rule), ".sql");
		cr_assert(found, "%s", f->path);
	}
}

/* ---- Figures ---- */

Test(pool_report, a_row_has_the_figures_of_its_part)
{
	struct mp_report_filter part = everything;
	struct mp_pool_sum sum = usual();

	begin_usual();
	append_sum(1, &sum);
	for (int64_t second = 0; second < SECONDS; second++)
		cr_assert_eq(mp_append_pool_latency(s, 1, START_NS + second * SECOND, "get",
				 mp_hist_bucket(second < 100 ? 20 : 40), 10, &err),
		    0);
	reopen();
	char *text = pools(everything);
	cr_assert_eq(ask(text, "SELECT value ->> 'gets' FROM json_each(?, '$.rows')"), 20000);
	cr_assert_eq(ask(text, "SELECT value ->> 'in_use_max_t_ns' FROM json_each(?, '$.rows')"), SECOND);
	cr_assert_eq(ask(text, "SELECT value ->> 'get_p50_ns' FROM json_each(?, '$.rows')"), 20);
	cr_assert_eq(ask(text, "SELECT value ->> 'get_p99_ns' FROM json_each(?, '$.rows')"), 40);
	cr_assert_eq(
	    ask(text,
		"SELECT (value ->> 'recommended_capacity') BETWEEN 550 AND 1000 FROM json_each(?, '$.rows')"),
	    1, "%s", text);
	cr_assert_eq(
	    ask(text, "SELECT (value ->> 'p_exhaust') < 0.001 FROM json_each(?, '$.rows')"), 1, "%s", text);
	cr_assert_eq(ask(text, "SELECT value ->> 'fragmentation' FROM json_each(?, '$.rows')"), 0);
	cr_assert_eq(ask(text, "SELECT length(value ->> 'strip') FROM json_each(?, '$.rows')"), 50);
	free(text);
	part.from_ns = 150 * SECOND;
	text = pools(part);
	cr_assert_eq(ask(text, "SELECT value ->> 'gets' FROM json_each(?, '$.rows')"), 50 * 100);
	cr_assert_eq(ask(text, "SELECT value ->> 'get_p50_ns' FROM json_each(?, '$.rows')"), 40);
	cr_assert_eq(ask(text, "SELECT length(value ->> 'strip') FROM json_each(?, '$.rows')"), 50);
	free(text);
	expect_word(part, "note: gets, puts, failures, in use and percentiles are of this part");
}

Test(pool_report, the_strip_tells_tenths_full_and_failed)
{
	begin();
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + 8 * SECOND);
	int64_t pool = append_pool("orders", 100, 64);
	append_use(pool, 1, 0, 9, 5, 0);
	append_use(pool, 2, 5, 10, 10, 0);
	append_use(pool, 4, 10, 99, 50, 0); /* and nothing happened in the second before */
	append_use(pool, 5, 50, 100, 50, 0);
	append_use(pool, 6, 30, 100, 30, 2);
	reopen();
	char *text = pools(everything);
	cr_assert(strstr(text, "\"strip\":\".0119F!3\""), "%s", strstr(text, "\"strip"));
	free(text);
}

Test(pool_report, a_single_pool_has_its_tables)
{
	struct mp_pool_sum sum = usual();
	int64_t id;

	begin_usual();
	make_not_returned(&sum);
	make_double(&sum);
	append_sum(1, &sum);
	for (int64_t i = 0; i < SECONDS / 20; i++)
		cr_assert_eq(mp_append_phase(s, i % 2 ? "continuous" : "open", START_NS + i * 20 * SECOND,
				 "marker", &id, &err),
		    0);
	append_pool("orders of others", 10, 8);
	reopen();
	char *text = pools(of_pool("orders"));
	static const char *const tables[] = {"use", "sites", "figures", "events", "forecast", "phases",
	    "backtest", "sizing", "efficiency", "advice", "sentences", "notes"};
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		char sql[100];

		snprintf(sql, sizeof(sql), "SELECT count(*) > 0 FROM json_each(?, '$.tables.%s')", tables[i]);
		cr_assert_eq(ask(text, sql), 1, "%s: %s", tables[i], text);
	}
	cr_assert_eq(ask(text, "SELECT count(*) FROM json_each(?, '$.rows')"), 1);
	cr_assert_eq(ask(text, "SELECT count(*) FROM json_each(?, '$.tables.use')"), 17);
	cr_assert_eq(
	    ask(text, "SELECT sum(value ->> 'gets_per_s') / count(*) FROM json_each(?, '$.tables.use')"),
	    100);
	free(text);
	text = pools(of_pool("order*"));
	cr_assert_eq(ask(text, "SELECT count(*) FROM json_each(?, '$.rows')"), 2);
	free(text);
}

Test(pool_report, a_smaller_risk_asks_for_more)
{
	struct mp_report_filter f = everything;
	double capacity[2];

	begin_usual();
	reopen();
	for (int i = 0; i < 2; i++) {
		f.pools.risk = i ? 1e-9 : 0.01;
		char *text = pools(f);
		capacity[i] =
		    ask(text, "SELECT value ->> 'recommended_capacity' FROM json_each(?, '$.rows')");
		free(text);
	}
	cr_assert_lt(capacity[0], capacity[1]);
}

/* ---- What cannot be told ---- */

Test(pool_report, what_is_not_known_is_said)
{
	begin();
	reopen();
	expect_word(everything, "note: no pools: mark them in the program");
	teardown();

	begin();
	append_course(append_pool("limitless", -1, -1), 0);
	append_use(append_pool("books", 2000, 64), 3, -100, 5, -100, 0);
	append_pool("idle", 10, 64);
	append_pool("gone", 10, 64);
	append_use(4, 3, 0, 5, 5, 0);
	cr_assert_eq(mp_update_pool(s, 4, -1, -1, START_NS + 5 * SECOND, &err), 0);
	reopen();
	char *text = pools(everything);
	cr_assert_eq(ask(text, "SELECT count(*) FROM json_each(?, '$.rows') WHERE value ->> 'name' = "
			       "'limitless' AND value ->> "
			       "'p_exhaust' IS NULL AND value ->> 'recommended_capacity' > 500 AND value ->> "
			       "'capacity' IS NULL"),
	    1, "%s", text);
	cr_assert_eq(
	    ask(text,
		"SELECT value ->> 'older' FROM json_each(?, '$.rows') WHERE value ->> 'name' = 'books'"),
	    100);
	free(text);
	expect_word(everything, "note: limitless: the capacity is not known");
	expect_word(everything, "note: books: in use before the recording");
	expect_word(everything, "note: idle: nothing was taken or put back");
	expect_word(everything, "note: gone: destroyed before the end");
	expect_word(everything, "recorded by a version that knew no sites");
	expect_word(everything, "how long gets and puts took is not known");
}

Test(pool_report, a_short_recording_says_so)
{
	begin();
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + SECOND / 2);
	append_use(append_pool("orders", 10, 64), 0, 0, 5, 5, 0);
	reopen();
	expect_word(everything, "note: orders: too short for a forecast");
	expect_word(of_pool("orders"), "note: orders: too short for a forecast");
	teardown();
	create();
	mp_session_set(s, &err, "end_ns", "%lld", START_NS);
	append_use(append_pool("orders", 10, 64), 0, 0, 5, 5, 0);
	reopen();
	free(table(everything));
}

Test(pool_report, an_unknown_pool_is_refused_with_the_nearest)
{
	char *text;

	begin_usual();
	append_pool("messages", 10, 64);
	reopen();
	cr_assert_eq(run(&mp_report_pool, of_pool("ordres"), MP_FORMAT_JSON, &text), -EINVAL);
	cr_assert_str_empty(text);
	free(text);
	cr_assert(strstr(err.text, ": did you mean orders? It has orders, messages"), "%s", err.text);
	cr_assert_eq(run(&mp_report_pool, of_pool("zzz*"), MP_FORMAT_JSON, &text), -EINVAL);
	free(text);
	cr_assert(strstr(err.text, ": it has orders, messages"), "%s", err.text);
	cr_assert_eq(run(mp_report_find("summary", &err), of_pool("orders"), MP_FORMAT_JSON, &text), -EINVAL);
	free(text);
}

Test(pool_report, a_risk_is_a_probability)
{
	static const char *const bad[] = {"", "0", "1", "-1e-6", "1e-6x", "nan", "inf", "x"};
	double risk;

	create();
	cr_assert_eq(mp_pool_parse_risk("1e-6", &risk, &err), 0);
	cr_assert_eq(risk, 1e-6);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(mp_pool_parse_risk(bad[i], &risk, &err), -EINVAL, "%s", bad[i]);
}

/* A session may come from anybody. */
Test(pool_report, figures_that_cannot_be_do_no_harm)
{
	static const int64_t odd[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
	const int n = sizeof(odd) / sizeof(*odd);

	begin();
	for (int i = 0; i < n * n; i++) {
		int64_t a = odd[i / n], b = odd[i % n];
		sqlite3_stmt *st =
		    query("INSERT INTO pool VALUES (?1, 'p' || ?1, ?2, ?2, ?3, ?2, ?3, NULL)", NULL);
		int64_t times[] = {a, START_NS, START_NS + SECOND, b};

		sqlite3_bind_int64(st, 1, i + 1);
		sqlite3_bind_int64(st, 2, a);
		sqlite3_bind_int64(st, 3, b);
		sqlite3_step(st);
		sqlite3_finalize(st);
		for (int k = 0; k < 4; k++) {
			st = query(
			    "INSERT OR IGNORE INTO pool_use VALUES (?1, ?2, ?3, ?4, ?3, ?4, ?4, ?3, NULL)",
			    NULL);
			sqlite3_bind_int64(st, 1, i + 1);
			sqlite3_bind_int64(st, 2, times[k]);
			sqlite3_bind_int64(st, 3, a);
			sqlite3_bind_int64(st, 4, b);
			sqlite3_step(st);
			sqlite3_finalize(st);
		}
		st = query("INSERT INTO pool_latency VALUES (?1, ?2, 'get', ?3, ?3)", NULL);
		sqlite3_bind_int64(st, 1, i + 1);
		sqlite3_bind_int64(st, 2, START_NS);
		sqlite3_bind_int64(st, 3, b);
		sqlite3_step(st);
		sqlite3_finalize(st);
		st = query("INSERT INTO phase VALUES (NULL, 'x', ?1, ?2, 'marker')", NULL);
		sqlite3_bind_int64(st, 1, a);
		sqlite3_bind_int64(st, 2, b);
		sqlite3_step(st);
		sqlite3_finalize(st);
	}
	reopen();
	free(table(everything));
	free(table(of_pool("p*")));
}
