/* SPDX-License-Identifier: MIT */
/*
 * Report session over a day of 12 seconds that is known: 4 calm ones, 4 busy ones, 4 calm ones. The phases
 * that it tells, or finds where none are told, and what their cards say.
 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report.h"
#include "store/append.h"
#include "store/append_block.h"
#include "store/append_component.h"
#include "store/append_gc.h"
#include "store/histogram.h"
#include "store/op.h"

#define START_NS INT64_C(5000000000123)
#define SECOND   INT64_C(1000000000)
#define SLOTS    12

enum { CALM = 1000, BUSY = 20000, CALM_NS = 100, BUSY_NS = 3000, BYTES = 64 };

static char path[] = "/tmp/mp-session-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static bool is_busy(int slot)
{
	return slot >= 4 && slot < 8;
}

static void append_slot(int slot)
{
	int64_t t_ns = START_NS + slot * SECOND;
	uint64_t calls = is_busy(slot) ? BUSY : CALM, ns = is_busy(slot) ? BUSY_NS : CALM_NS;
	struct mp_latency_sum sum = {calls, calls * BYTES, calls * ns, ns}, frees = {calls / 2, 0, calls, 10};

	cr_assert_eq(mp_append_slot(s, t_ns, SECOND, &err), 0);
	cr_assert_eq(mp_append_latency(s, t_ns, MP_OP_MALLOC, 6, mp_hist_bucket(ns), calls, &err), 0);
	cr_assert_eq(mp_append_latency_sum(s, t_ns, MP_OP_MALLOC, 6, &sum, &err), 0);
	const struct mp_latency_window window = {t_ns, SECOND / 10, calls, ns};
	cr_assert_eq(mp_append_latency_window(s, t_ns, MP_OP_MALLOC, &window, &err), 0);
	cr_assert_eq(mp_append_latency(s, t_ns, MP_OP_FREE, 0, mp_hist_bucket(2), calls / 2, &err), 0);
	cr_assert_eq(mp_append_latency_sum(s, t_ns, MP_OP_FREE, 0, &frees, &err), 0);
	for (int i = 0; i < 10; i++) {
		const struct mp_call c = {.t_ns = t_ns + i * SECOND / 10,
		    .tid = 7,
		    .op = i ? MP_OP_MALLOC : MP_OP_FREE,
		    .kept = 2,
		    .weight = 100,
		    .size_bytes = i ? BYTES + (uint64_t)i : 0,
		    .dur_ns = (int64_t)ns,
		    .stack_id = is_busy(slot) ? 2 : 1};
		int64_t call_id;
		cr_assert_eq(mp_append_call(s, &c, &call_id, &err), 0);
		if (i != 1)
			continue;
		const struct mp_cause_row cause = {
		    call_id, is_busy(slot) ? "minor_fault" : "irq", NULL, 50, 1};
		cr_assert_eq(mp_append_cause(s, &cause, &err), 0);
	}
}

static void setup(void)
{
	close(mkstemp(path));
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "start_ns", "%lld", (long long)START_NS);
	mp_session_set(s, &err, "end_ns", "%lld", (long long)(START_NS + SLOTS * SECOND));
	cr_assert_eq(sqlite3_exec(mp_session_db(s),
			 "INSERT INTO stack (stack_id, site) VALUES (1, 'calm_site'), (2, 'busy_site')", NULL,
			 NULL, NULL),
	    SQLITE_OK);
	for (int slot = 0; slot < SLOTS; slot++)
		append_slot(slot);
	int64_t gc_id;
	const struct mp_gc_row gc = {.t_ns = START_NS + 5 * SECOND,
	    .dur_ns = 2000,
	    .ttsp_ns = -1,
	    .stopped_ns = 3000,
	    .is_pause = true,
	    .runtime = "go",
	    .kind = "young",
	    .bytes_since_last = -1,
	    .source = "probes"};
	cr_assert_eq(mp_append_gc(s, &gc, &gc_id, &err), 0);
}

static void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(session_report, .init = setup, .fini = teardown, .timeout = 60);

static void append_phase(const char *name, int from, int to)
{
	int64_t id;

	cr_assert_eq(mp_append_phase(s, name, START_NS + from * SECOND, "calendar", &id, &err), 0);
	cr_assert_eq(mp_update_phase(s, id, START_NS + to * SECOND, &err), 0);
}

/* The session as it is, as JSON. */
static char *run_report_of(const char *name, const char *phase)
{
	struct mp_report_filter filter = {.from_ns = -1, .to_ns = -1, .limit = -1, .phase = phase};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
	int rc = mp_report_run(s, mp_report_find(name, &err), &filter, out, MP_FORMAT_JSON, &err);
	fclose(out);
	cr_assert_eq(rc, 0, "%s", err.text);
	return text;
}

static char *run_report(const char *phase)
{
	return run_report_of("session", phase);
}

/* What of a report a query says. */
static const char *ask(const char *json, const char *sql)
{
	static char answer[4096];
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(s)));
	sqlite3_bind_text(st, 1, json, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	snprintf(answer, sizeof(answer), "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	return answer;
}

static const char names[] =
    "SELECT group_concat(value ->> 'phase', '|') FROM json_each(?, '$.tables.phases')";
static const char times[] = "SELECT group_concat(((value ->> 't_ns') / 1000000000) || '+' ||"
			    " ((value ->> 'dur_ns') / 1000000000), '|') FROM json_each(?, '$.tables.phases')";
static const char rates[] = "SELECT group_concat(CAST(round(value ->> 'allocs_per_s') AS INTEGER), '|') FROM "
			    "json_each(?, '$.tables.phases')";
static const char bytes[] = "SELECT group_concat(CAST(round(value ->> 'bytes_per_s') AS INTEGER), '|') FROM "
			    "json_each(?, '$.tables.phases')";

Test(session_report, phases_that_are_told)
{
	append_phase("day", 0, 12);
	append_phase("open", 4, 8);
	append_phase("rest", 8, 10);
	append_phase("rest", 10, 12);
	char *json = run_report(NULL);

	cr_assert_str_eq(ask(json, names), "(all)|day|open|rest#1|rest#2");
	cr_assert_str_eq(ask(json, times), "0+12|0+12|4+4|8+2|10+2");
	cr_assert_str_eq(ask(json, rates), "7333|7333|20000|1000|1000");
	cr_assert_str_eq(ask(json, bytes), "469333|469333|1280000|64000|64000");
	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'max_ns', '|') FROM json_each(?, '$.tables.phases')"),
	    "3000|3000|3000|100|100");
	cr_assert_str_eq(ask(json, "SELECT group_concat(value ->> 'gc_pauses' || ' ' || (value ->> 'gc_ns'), "
				   "'|') FROM json_each(?, '$.tables.phases')"),
	    "1 3000|1 3000|1 3000|0 0|0 0");
	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'top_site', '|') FROM json_each(?, '$.tables.phases')"),
	    "busy_site 94 %|busy_site 94 %|busy_site 100 %|calm_site 100 %|calm_site 100 %");
	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'top_cause', '|') FROM json_each(?, '$.tables.phases')"),
	    "irq 67 %|irq 67 %|minor_fault 100 %|irq 100 %|irq 100 %");
	cr_assert_str_eq(ask(json, "SELECT group_concat(round(value ->> 'alloc_share', 6), '|') FROM "
				   "json_each(?, '$.tables.phases')"),
	    "0.020067|0.020067|0.06|0.0001|0.0001");
	free(json);
}

/* Probes that were in for a part of the time have counted that part. */
Test(session_report, rates_are_of_the_time_that_was_watched)
{
	append_phase("open", 4, 8);
	append_phase("rest", 8, 12);
	for (int slot = 0; slot < SLOTS; slot++) {
		const struct mp_overhead_row row = {.slot_ns = START_NS + slot * SECOND,
		    .plane = "uprobe",
		    .mode = "burst",
		    .watched_ns = is_busy(slot) ? SECOND / 4 : SECOND / 2,
		    .windows = 1};
		cr_assert_eq(mp_append_overhead(s, &row, &err), 0);
	}
	char *json = run_report(NULL);

	cr_assert_str_eq(ask(json, rates), "17600|80000|2000");
	free(json);
}

Test(session_report, phases_that_are_found)
{
	char *json = run_report(NULL);

	cr_assert_str_eq(ask(json, names), "(all)|found 1|found 2|found 3");
	cr_assert_str_eq(ask(json, times), "0+12|0+4|4+4|8+4");
	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'source') FROM json_each(?, '$.tables.phases')"),
	    "found,found,found");
	free(json);
}

Test(session_report, one_phase_alone)
{
	append_phase("open", 4, 8);
	char *json = run_report("open");

	cr_assert_str_eq(ask(json, names), "(all)|open");
	cr_assert_str_eq(ask(json, rates), "20000|20000");
	free(json);
}

Test(session_report, what_stands_out_of_its_phase)
{
	append_phase("day", 0, 12);
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json,
		"SELECT group_concat((value ->> 'phase') || ' ' || (value ->> 'series') || ' ' ||"
		" ((value ->> 't_ns') / 1000000000) || '+' || ((value ->> 'dur_ns') / 1000000000) || ' ' ||"
		" CAST(round(value ->> 'factor') AS INTEGER) || ' ' || (value ->> 'site'), '|')"
		" FROM json_each(?, '$.tables.spikes')"),
	    "day allocs_per_s 4+4 20 busy_site|day bytes_per_s 4+4 20 busy_site|day p99_ns 4+4 30 busy_site");
	free(json);
}

Test(session_report, what_to_change)
{
	append_phase("pre", 0, 4);
	append_phase("open", 4, 8);
	append_phase("rest", 8, 12);
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json, "SELECT group_concat((value ->> 'phase') || ' ' || (value ->> 'rule') || ' ' ||"
		      " (value ->> 'saves_ns') || ' ' || (value ->> 'finding'), '|')"
		      " FROM json_each(?, '$.tables.advice')"),
	    "open pool 10800000 busy_site allocates in a burst");
	/* What it says to ask is SQL. */
	cr_assert_str_eq(ask(json, "SELECT count(*) FROM json_each(?, '$.tables.advice')"), "1");
	char query[1024];
	snprintf(query, sizeof(query),
	    "SELECT group_concat(op || ' ' || \"sum(weight * dur_ns)\") FROM (%s) WHERE ?1 <> ''",
	    ask(json, "SELECT value ->> 'query' FROM json_each(?, '$.tables.advice')"));
	cr_assert_str_eq(ask(json, query), "free 1200000,malloc 10800000");
	free(json);
}

/* Each rule, in the report, as a view and in report advice. */
Test(session_report, advice_is_the_same_everywhere)
{
	append_phase("pre", 0, 4);
	append_phase("open", 4, 8);
	append_phase("rest", 8, 12);
	for (int i = 0; i < 20; i++) {
		const struct mp_call c = {.t_ns = START_NS + 5 * SECOND + i,
		    .tid = 7,
		    .op = MP_OP_MALLOC,
		    .kept = 1,
		    .weight = 1,
		    .size_bytes = 64,
		    .dur_ns = 2000000,
		    .stack_id = 1};
		int64_t id;
		cr_assert_eq(mp_append_call(s, &c, &id, &err), 0);
		const struct mp_cause_row cause = {
		    id, i % 2 ? "major_fault" : "syscall:munmap", NULL, i % 2 ? 1600000 : 1900000, 1};
		cr_assert_eq(mp_append_cause(s, &cause, &err), 0);
	}
	for (int i = 0; i < 2; i++) {
		const struct mp_block_row block = {.addr = 1 + (uint64_t)i,
		    .size_bytes = i ? 5000000 : 1000,
		    .op = MP_OP_MALLOC,
		    .tid = 7,
		    .stack_id = 1,
		    .born_ns = START_NS + i * 9 * SECOND + 1,
		    .weight = 1};
		int64_t id;
		cr_assert_eq(mp_append_block(s, &block, &id, &err), 0);
	}
	char *json = run_report(NULL);
	char *told = strdup(ask(json,
	    "SELECT group_concat(rule || ' ' || phase, '|') FROM (SELECT value ->> 'rule' AS"
	    " rule, value ->> 'phase' AS phase FROM json_each(?, '$.tables.advice') ORDER BY 1, 2)"));

	cr_assert_str_eq(told, "keep open|leftover rest|pool open|pool open|prefault open");
	cr_assert_str_eq(
	    ask(json,
		"SELECT count(*) || ' ' || total(a.saves_ns IS CAST(v.saves_ns AS INTEGER) AND"
		" a.saves_bytes IS CAST(v.saves_bytes AS INTEGER) AND"
		" a.evidence = v.evidence AND a.advice = v.advice AND a.query = v.query)"
		" FROM v_session_advice AS v JOIN (SELECT value ->> 'rule' AS rule, value ->> 'phase' AS"
		" phase, value ->> 'saves_ns' AS saves_ns, value ->> 'saves_bytes' AS saves_bytes,"
		" value ->> 'finding' AS finding, value ->> 'evidence' AS evidence, value ->> 'advice' AS"
		" advice, value ->> 'query' AS query FROM json_each(?, '$.tables.advice')) AS a"
		" USING (rule, phase, finding)"),
	    "5 5.0");
	free(json);
	json = run_report_of("advice", NULL);
	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'rule' || ' ' || (value ->> 'finding'), '|')"
		      " FROM json_each(?, '$.rows') WHERE value ->> 'kind' = 'session'"),
	    "session_leftover rest: more is alive than after the first phase|"
	    "session_pool open: calm_site allocates in a burst|"
	    "session_pool open: busy_site allocates in a burst|"
	    "session_keep open: memory goes to the kernel and comes back in this phase|"
	    "session_prefault open: memory is touched for the first time in this phase");
	free(json);
	free(told);
}

/* Of a level, a few calls a tenth of a second: then `first` does more, 0.6 s before the others and the spike.
 */
static void append_move(int site, int from_tenth, int to_tenth, int calls)
{
	for (int tenth = from_tenth; tenth < to_tenth; tenth++)
		for (int i = 0; i < calls; i++) {
			const struct mp_call c = {.t_ns = START_NS + tenth * SECOND / 10 + i * 1000,
			    .tid = 7,
			    .op = MP_OP_MALLOC,
			    .kept = 2,
			    .weight = 20,
			    .size_bytes = 64,
			    .dur_ns = 100,
			    .stack_id = site};
			int64_t id;
			cr_assert_eq(mp_append_call(s, &c, &id, &err), 0);
		}
}

Test(session_report, who_moved_first)
{
	cr_assert_eq(
	    sqlite3_exec(mp_session_db(s),
		"DELETE FROM call; INSERT INTO stack (stack_id, site) VALUES (3, 'steady'), (4, 'first')",
		NULL, NULL, NULL),
	    SQLITE_OK);
	append_phase("day", 0, 12);
	append_move(1, 0, 120, 4);
	append_move(3, 0, 120, 5);
	append_move(4, 0, 120, 2);
	append_move(4, 34, 80, 10);
	append_move(2, 40, 80, 80);
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json, "SELECT group_concat((value ->> 'series') || ' ' || (value ->> 'site') || ' ' ||"
		      " (value ->> 'first') || ' ' || ((value ->> 'first_t_ns') / 100000000) || ' ' ||"
		      " ((value ->> 'lead_ns') / 100000000), '|') FROM json_each(?, '$.tables.spikes')"
		      " WHERE value ->> 'series' <> 'p99_ns'"),
	    "allocs_per_s busy_site first 34 6|bytes_per_s busy_site first 34 6");
	free(json);
}

/* Where all go on as they did, and where there are no calls, nobody was first. */
Test(session_report, nobody_moved_first)
{
	cr_assert_eq(sqlite3_exec(mp_session_db(s), "DELETE FROM call", NULL, NULL, NULL), SQLITE_OK);
	append_phase("day", 0, 12);
	append_move(1, 0, 120, 4);
	char *json = run_report(NULL);

	cr_assert_str_eq(ask(json, "SELECT count(*) || ' ' || count(value ->> 'first') || ' ' ||"
				   " count(value ->> 'lead_ns') FROM json_each(?, '$.tables.spikes')"),
	    "3 0 0");
	free(json);
}

/* Phases of its own, or a part only: the same rule, over fewer slots. */
Test(session_report, spikes_are_those_of_the_view)
{
	append_phase("day", 0, 12);
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json, "SELECT count(*) || ' ' || total(v.level = a.level AND v.peak = a.peak) FROM (SELECT"
		      " phase, series, start_ns - 5000000000123 AS t_ns, round(level, 1) AS level, "
		      "round(peak, 1) AS"
		      " peak FROM v_spike) AS v JOIN (SELECT value ->> 'phase' AS phase, value ->> 'series' "
		      "AS series,"
		      " value ->> 't_ns' AS t_ns, value ->> 'level' AS level, value ->> 'peak' AS peak FROM"
		      " json_each(?, '$.tables.spikes')) AS a USING (phase, series, t_ns)"),
	    "3 3.0");
	free(json);
}

/* One more of the gauge at each fifth of a second, 64 bytes each, beside a block of 1000: then as many go. */
Test(session_report, what_one_more_takes)
{
	for (int i = 0; i <= 58; i++) {
		int64_t t_ns = START_NS + i * SECOND / 5, count = i <= 30 ? i : 60 - i;
		const struct mp_block_row block = {.addr = (uint64_t)i,
		    .size_bytes = i ? 64 : 1000,
		    .op = MP_OP_MALLOC,
		    .tid = 7,
		    .stack_id = 1,
		    .born_ns = t_ns - 1,
		    .died_ns = START_NS + (61 - i) * SECOND / 5 - 1,
		    .end = i > 0,
		    .weight = 1};
		int64_t block_id;
		if (i <= 30)
			cr_assert_eq(mp_append_block(s, &block, &block_id, &err), 0);
		cr_assert_eq(mp_append_pressure(s, t_ns, "gauge.orders", (double)count, &err), 0);
		cr_assert_eq(mp_append_pressure(s, t_ns, "gauge.noise", (double)(i * 7919 % 31), &err), 0);
	}
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json, "SELECT group_concat((value ->> 'gauge') || ' ' || (value ->> 'bytes_each') || ' ' ||"
		      " (value ->> 'fixed_bytes'), '|') FROM json_each(?, '$.tables.growth')"),
	    "orders 64.0 1000");
	free(json);
}

/* stack 2 is of `book`, stack 1 of `big` from 70 bytes on, which are rows 6 to 9 of each slot. */
Test(session_report, components)
{
	const struct mp_component_rule_row rules[] = {
	    {1, 1, 0, UINT64_MAX, false}, {2, 2, 70, UINT64_MAX, false}, {3, 3, 0, UINT64_MAX, true}};

	append_phase("open", 4, 8);
	cr_assert_eq(mp_append_component(s, 0, "other", &err), 0);
	cr_assert_eq(mp_append_component(s, 1, "book", &err), 0);
	cr_assert_eq(mp_append_component(s, 2, "big", &err), 0);
	cr_assert_eq(mp_append_component(s, 3, "nobody", &err), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(mp_append_component_rule(s, &rules[i], &err), 0);
	cr_assert_eq(mp_append_component_thread(s, 3, 8, &err), 0); /* the calls are thread 7's */
	cr_assert_eq(mp_append_component_stack(s, 1, 0, 3, &err), 0);
	cr_assert_eq(mp_append_component_stack(s, 1, 1, 2, &err), 0);
	cr_assert_eq(mp_append_component_stack(s, 2, 0, 1, &err), 0);
	char *json = run_report(NULL);

	cr_assert_str_eq(
	    ask(json, "SELECT group_concat(value ->> 'phase' || ' ' || (value ->> 'component') || ' ' ||"
		      " CAST(round((value ->> 'allocs_per_s') * 12) AS INTEGER), '|')"
		      " FROM json_each(?, '$.tables.components')"),
	    "(all) book 3600|(all) other 4000|(all) big 3200|open book 10800");
	/* As SQL says it of each call. */
	cr_assert_str_eq(ask(json, "SELECT group_concat(component || ' ' || calls, '|') FROM v_component"
				   " WHERE op = 'malloc' AND ?1 <> ''"),
	    "other 4000|book 3600|big 3200");
	free(json);
}
