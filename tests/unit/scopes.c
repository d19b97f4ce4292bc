/* SPDX-License-Identifier: MIT */
/* Components that a program names itself: numbers, threads, limits, and what is written; gauges that are
 * told. */
#include "sampler/components/scopes.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sampler/components/gauges.h"
#include "store/append.h"
#include "store/append_component.h"
#include "store/session.h"

static char dir[] = "/tmp/mpsample-scopes.XXXXXX", path[64];
static struct mp_session *session;
static struct mp_scopes *s;
static struct mp_err err;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.mps", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	s = mp_scopes_new(session);
	cr_assert(s);
}

static void teardown(void)
{
	char command[128];

	mp_scopes_free(s);
	mp_session_close(session, &err);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(scopes, .init = setup, .fini = teardown, .timeout = 60);

static unsigned int number(const char *name)
{
	unsigned int n;

	cr_assert_eq(mp_scopes_number(s, name, &n, &err), 0, "%s", err.text);
	return n;
}

static void begin(pid_t tid, const char *name)
{
	cr_assert_eq(mp_scopes_begin(s, tid, name, &err), 0, "%s", err.text);
}

/* Rows, one after the other, their columns separated by '|'. */
static const char *ask(const char *sql)
{
	static char text[2048];
	sqlite3_stmt *st = NULL;
	size_t n = 0;

	text[0] = 0;
	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(session), sql, -1, &st, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(session)));
	while (sqlite3_step(st) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(st) && n < sizeof(text); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
			    i   ? "|"
			    : n ? " "
				: "",
			    (const char *)sqlite3_column_text(st, i));
	sqlite3_finalize(st);
	return text;
}

Test(scopes, the_innermost_counts_by_thread)
{
	unsigned int a = number("a"), b = number("b");

	begin(1, "a");
	begin(2, "b");
	begin(1, "b");
	cr_expect_eq(mp_scopes_of(s, 1), b);
	cr_expect_eq(mp_scopes_of(s, 2), b);
	cr_expect_eq(mp_scopes_of(s, 3), 0);
	mp_scopes_end(s, 1);
	cr_expect_eq(mp_scopes_of(s, 1), a);
	mp_scopes_end(s, 1);
	cr_expect_eq(mp_scopes_of(s, 1), 0);
	mp_scopes_forget(s, 2); /* another thread has its number */
	cr_expect_eq(mp_scopes_of(s, 2), 0);
	begin(2, "a");
	mp_scopes_forget_all(s);
	cr_expect_eq(mp_scopes_of(s, 2), 0);
	cr_expect_eq(mp_scopes_take_counts(s).ends, 0);
}

Test(scopes, ends_of_nothing_and_what_is_too_deep_are_counted)
{
	unsigned int a = number("a"), b = number("b");

	mp_scopes_end(s, 1);
	begin(1, "a");
	for (int i = 0; i < 20; i++)
		begin(1, "b");
	cr_expect_eq(mp_scopes_of(s, 1), b);
	for (int i = 0; i < 20; i++)
		mp_scopes_end(s, 1);
	cr_expect_eq(mp_scopes_of(s, 1), a);
	mp_scopes_end(s, 1);
	mp_scopes_end(s, 1);
	cr_expect_eq(mp_scopes_of(s, 1), 0);
	struct mp_scopes_counts c = mp_scopes_take_counts(s);
	cr_expect_eq(c.ends, 2);
	cr_expect_eq(c.deep, 5);
	cr_expect_eq(mp_scopes_take_counts(s).ends, 0);
}

Test(scopes, names_are_cut_bounded_and_written_once)
{
	char name[16];

	cr_expect_eq(number("a name of sixty bytes, of which forty-seven count: 0"), 1);
	cr_expect_eq(number("a name of sixty bytes, of which forty-seven count: 1"), 1);
	cr_expect_eq(number(NULL), 2);
	cr_expect_eq(number(""), 2);
	cr_expect_eq(number("other"), 3);
	cr_expect_str_eq(
	    ask("SELECT scope_id, s.name, component_id, c.name = s.name FROM component_scope s JOIN "
		"component c USING (component_id)"),
	    "1|a name of sixty bytes, of which forty-seven cou|1|1 2|(unreadable)|2|1 3|other|0|1");
	for (int i = 4; i <= MP_SCOPES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		cr_assert_eq(number(name), i);
	}
	begin(1, "4");
	begin(1, "one too many");
	cr_expect_eq(mp_scopes_of(s, 1), 4, "what is around it counts");
	mp_scopes_end(s, 1);
	cr_expect_eq(mp_scopes_of(s, 1), 4);
	cr_expect_eq(mp_scopes_take_counts(s).names_lost, 1);
}

/* As sampler/components/classify.c has it. */
Test(scopes, rules_that_come_anew_leave_them_their_names)
{
	number("book");
	number("risk");
	cr_assert_eq(mp_clear_components(session, &err), 0);
	cr_assert_eq(mp_append_component(session, 0, "other", &err), 0);
	cr_assert_eq(mp_append_component(session, 1, "log", &err), 0);
	cr_assert_eq(mp_append_component(session, 2, "risk", &err), 0);
	cr_assert_eq(mp_append_scoped_components(session, &err), 0, "%s", err.text);
	cr_expect_str_eq(ask("SELECT name, component_id FROM component_scope"), "book|3 risk|2");
	cr_expect_str_eq(ask("SELECT component_id, name FROM component"), "0|other 1|log 2|risk 3|book");
}

Test(scopes, rows_of_threads_in_one_belong_to_it)
{
	const struct mp_call calls[] = {
	    {.tid = 1, .weight = 1, .scope = number("book")}, {.tid = 1, .weight = 1}};

	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(mp_append_call(session, &calls[i], NULL, &err), 0);
	cr_expect_str_eq(ask("SELECT component FROM v_call ORDER BY call_id"), "book other");
}

Test(scopes, gauges_are_written_where_they_have_changed_or_are_old)
{
	const struct mp_gauge_set none = {.n = 0}, read = {.n = 1, .all = {{.name = "read"}}};
	struct mp_told_gauges *g = calloc(1, sizeof(*g));
	char name[16];

	cr_assert(g);
	mp_told_gauge(g, "a", 1);
	mp_told_gauge(g, "a", -7);
	mp_told_gauge(g, "read", 3);
	for (int t = 1; t <= 21; t++)
		cr_assert_eq(mp_told_gauges_step(g, &read, session, t * 100000000LL, &err), 0);
	cr_expect_str_eq(
	    ask("SELECT t_ns / 100000000, name, value FROM v_gauge"), "1|a|-7.0 11|a|-7.0 21|a|-7.0");
	mp_told_gauge(g, "a", 8);
	cr_assert_eq(mp_told_gauges_step(g, &none, session, 2200000000LL, &err), 0);
	cr_expect_str_eq(
	    ask("SELECT name, value FROM v_gauge WHERE t_ns = 2200000000 ORDER BY 1"), "a|8.0 read|3.0");
	for (int i = 0; i < MP_TOLD_GAUGES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		mp_told_gauge(g, name, i);
	}
	cr_expect_eq(g->n, MP_TOLD_GAUGES_MAX);
	cr_expect_eq(g->lost, 2);
	free(g);
}
