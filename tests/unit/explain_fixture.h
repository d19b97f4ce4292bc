/* SPDX-License-Identifier: MIT */
#ifndef MP_TESTS_EXPLAIN_FIXTURE_H
#define MP_TESTS_EXPLAIN_FIXTURE_H

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/report.h"
#include "store/append.h"
#include "store/histogram.h"

/* A session of SLOTS seconds whose calls and causes the test appends, and questions to the reports of it. */
#define START_NS 7000000000000LL
#define SLOTS    4
#define PLACES   4

static char path[] = "/tmp/mp-explain-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static const char *const sites[PLACES] = {"site A", "site B", "site \"C\"\n", "[no stack]"};

static inline void create(void)
{
	strcpy(path + strlen(path) - 6, "XXXXXX");
	close(mkstemp(path));
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "pid", "4242");
	mp_session_set(s, &err, "command", "./engine");
	mp_session_set(s, &err, "start_ns", "%lld", START_NS);
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + SLOTS * 1000000000LL);
}

static inline void reopen(void)
{
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
}

static inline void append_stacks(void)
{
	for (int64_t i = 1; i <= 6; i++) {
		struct mp_stack_row stack = {i, &i, 1, 3, 0};

		cr_assert_eq(mp_append_frame(s, i, 0x1000 + (uint64_t)i, 0, 0, &err), 0);
		cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
		cr_assert_eq(mp_update_site(s, i, sites[i % 3], &err), 0);
	}
}

static inline void append_count(int64_t t_ns, uint32_t op, int64_t dur_ns)
{
	int64_t slot_ns = t_ns - (t_ns - START_NS) % 1000000000;
	struct mp_latency_sum sum = {1, 40, (uint64_t)dur_ns, (uint64_t)dur_ns};

	cr_assert_eq(mp_append_latency(s, slot_ns, op, 2, mp_hist_bucket((uint64_t)dur_ns), 1, &err), 0);
	cr_assert_eq(mp_append_latency_sum(s, slot_ns, op, 2, &sum, &err), 0);
}

static inline void append_cause(int64_t call_id, const char *kind, int64_t ns, uint64_t n, const char *detail)
{
	struct mp_cause_row row = {call_id, kind, detail, ns, n};

	cr_assert_eq(mp_append_cause(s, &row, &err), 0, "%s", err.text);
}

static inline void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

static const struct mp_report_filter everything = {.from_ns = -1, .to_ns = -1, .limit = -1};

static inline int run(
    const struct mp_report *report, struct mp_report_filter filter, enum mp_format format, char **text)
{
	size_t size = 0;
	FILE *out = open_memstream(text, &size);
	int rc = mp_report_run(s, report, &filter, out, format, &err);

	fclose(out);
	return rc;
}

static inline char *document(const struct mp_report *report, struct mp_report_filter filter)
{
	char *text;

	cr_assert_eq(run(report, filter, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	return text;
}

static inline sqlite3_stmt *query(const char *sql, const char *text)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(s)));
	if (text)
		sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	return st;
}

/* The number that a query gives of a document. */
static inline double ask(const char *text, const char *sql)
{
	sqlite3_stmt *st = query(sql, text);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s: %s", sqlite3_errmsg(mp_session_db(s)), sql);
	double value = sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return value;
}

static inline int64_t append_outlier(int64_t dur_ns, int64_t size, int64_t stack)
{
	static int64_t t_ns;
	int64_t call_id;
	struct mp_call c = {.t_ns = START_NS + (t_ns += 100000) % 1000000000,
	    .tid = 100,
	    .op = MP_OP_MALLOC,
	    .kept = MP_KEPT_OUTLIER,
	    .weight = 1,
	    .size_bytes = (uint64_t)size,
	    .dur_ns = dur_ns,
	    .stack_id = stack};

	cr_assert_eq(mp_append_call(s, &c, &call_id, &err), 0);
	append_count(c.t_ns, c.op, dur_ns);
	return call_id;
}

#endif
