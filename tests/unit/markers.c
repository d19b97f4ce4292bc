/* SPDX-License-Identifier: MIT */
/* Markers made into rows: pairing, the order of time, phases, and what a hostile target may not do. */
#include "sampler/markers.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sampler/preload/mpsample.h"

static char dir[] = "/tmp/mp-markers-XXXXXX";
static char path[128];
static struct mp_err err;
static struct mp_session *session;
static struct mp_markers *m;

static void setup(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.mps", dir);
	cr_assert_eq(mp_session_create(path, false, &session, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(session, &err), 0, "%s", err.text);
	m = mp_markers_new(session);
	cr_assert(m);
}

static void teardown(void)
{
	char command[128];

	mp_markers_free(m);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(markers, .init = setup, .fini = teardown, .timeout = 120);

static void take(pid_t tid, int64_t t_ns, unsigned int kind, const char *name, uint64_t a)
{
	mp_markers_take(
	    m, &(struct mp_marker_event){.tid = tid, .t_ns = t_ns, .kind = kind, .name = name, .a = a});
}

static void commit(int64_t t_ns)
{
	cr_assert_eq(mp_markers_commit(m, t_ns, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_commit(session, &err), 0, "%s", err.text);
}

static void end(void)
{
	cr_assert_eq(mp_markers_end(m, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_commit(session, &err), 0, "%s", err.text);
}

/* All rows of a query, columns and rows separated by | and a newline. */
static const char *ask(const char *sql)
{
	static char text[4096];
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	size_t n = 0;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	text[0] = 0;
	while (sqlite3_step(st) == SQLITE_ROW && n < sizeof(text)) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", n ? "\n" : "");
		for (int i = 0; i < sqlite3_column_count(st) && n < sizeof(text); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? "|" : "",
			    sqlite3_column_text(st, i) ? (const char *)sqlite3_column_text(st, i) : "-");
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	return text;
}

static uint64_t lost(const char *limit)
{
	const char *name;
	uint64_t n, found = UINT64_MAX;

	for (size_t i = 0; (name = mp_markers_lost(m, i, &n)); i++)
		if (!strcmp(name, limit))
			found = n;
	cr_assert_neq(found, UINT64_MAX, "no limit '%s'", limit);
	return found;
}

#define EXPECT(sql, expected)                                                                                \
	do {                                                                                                 \
		const char *is_ = ask(sql);                                                                  \
		cr_expect_str_eq(is_, expected, "%s: is '%s', should be '%s'", sql, is_, expected);          \
	} while (0)

#define SPANS    "SELECT name, id, tid, t_ns, dur_ns FROM v_span ORDER BY t_ns, id"
#define COUNTERS "SELECT slot_ns, name, value FROM v_counter ORDER BY slot_ns, name"

Test(markers, a_span_is_paired_across_threads_and_buffers)
{
	commit(0);
	take(2, 70, MPSAMPLE_KIND_SPAN_END, "order", 7); /* of another buffer than its begin */
	take(1, 10, MPSAMPLE_KIND_SPAN_BEGIN, "order", 7);
	take(1, 20, MPSAMPLE_KIND_SPAN_BEGIN, "order", 8);
	take(1, 25, MPSAMPLE_KIND_SPAN_BEGIN, "fill", 7);
	take(3, 90, MPSAMPLE_KIND_SPAN_END, "order", 8);
	take(1, 30, MPSAMPLE_KIND_SPAN_END, "fill", 7);
	end();
	EXPECT(SPANS, "order|7|1|10|60\norder|8|1|20|70\nfill|7|1|25|5");
	EXPECT(COUNTERS, "");
}

Test(markers, of_one_time_the_order_of_arrival_counts)
{
	commit(0);
	take(1, 10, MPSAMPLE_KIND_MARK, "later", 0);
	take(1, 5, MPSAMPLE_KIND_SPAN_BEGIN, "s", 1);
	take(1, 5, MPSAMPLE_KIND_SPAN_END, "s", 1);
	take(1, 5, MPSAMPLE_KIND_SPAN_BEGIN, "s", 1);
	take(1, 5, MPSAMPLE_KIND_SPAN_END, "s", 1);
	end();
	EXPECT("SELECT count(*), sum(dur_ns) FROM v_span", "2|0");
	EXPECT(COUNTERS, "");
}

Test(markers, what_is_younger_than_the_last_commit_waits)
{
	commit(100);
	take(1, 250, MPSAMPLE_KIND_MARK, "second", 2);
	commit(200);
	EXPECT("SELECT count(*) FROM v_mark", "0");
	take(1, 150, MPSAMPLE_KIND_MARK, "first", 1); /* its buffer was read after that commit */
	commit(300);
	EXPECT("SELECT name FROM v_mark", "first");
	commit(400);
	EXPECT("SELECT t_ns, tid, name, detail FROM mark ORDER BY mark_id", "150|1|first|1\n250|1|second|2");
}

Test(markers, what_has_no_partner_is_counted_in_its_slot)
{
	commit(1000);
	take(1, 1100, MPSAMPLE_KIND_SPAN_END, "s", 1);
	take(1, 1200, MPSAMPLE_KIND_SPAN_BEGIN, "s", 2);
	take(1, 1300, MPSAMPLE_KIND_SPAN_BEGIN, "s", 2); /* anew */
	commit(2000);
	take(1, 2100, MPSAMPLE_KIND_SPAN_END, "s", 2);
	take(1, 2200, MPSAMPLE_KIND_SPAN_BEGIN, "s", 3);
	commit(3000);
	end();
	EXPECT(SPANS, "s|2|1|1300|800");
	EXPECT(COUNTERS, "1000|span_begin_without_end|1\n1000|span_end_without_begin|1\n"
			 "2000|span_begin_without_end|1");
}

/* Open spans come and go in no order: none is lost from the table of open ones. */
Test(markers, many_open_spans)
{
	enum { N = 20011 };
	uint64_t step = 7919; /* a prime: every id once */

	commit(0);
	for (uint64_t i = 0; i < N; i++)
		take(1, (int64_t)i, MPSAMPLE_KIND_SPAN_BEGIN, i % 2 ? "odd" : "even", i);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t id = i * step % N;
		take(2, (int64_t)(N + i), MPSAMPLE_KIND_SPAN_END, id % 2 ? "odd" : "even", id);
	}
	end();
	EXPECT("SELECT count(*), count(DISTINCT id), sum(t_ns = id) FROM v_span", "20011|20011|20011");
	EXPECT(COUNTERS, "");
}

Test(markers, marks_and_names)
{
	commit(0);
	take(1, 1, MPSAMPLE_KIND_MARK, "value", (uint64_t)-5);
	take(1, 2, MPSAMPLE_KIND_MARK, "0123456789012345678901234567890123456789abcdefghij", 0);
	take(1, 3, MPSAMPLE_KIND_MARK, NULL, 0);
	take(1, 4, 99, "no kind", 0);
	take(1, 4, 0, "no kind", 0);
	end();
	EXPECT("SELECT name, detail FROM v_mark ORDER BY t_ns",
	    "value|-5\n0123456789012345678901234567890123456789abcdefg|0\n(unreadable)|0");
}

Test(markers, a_phase_ends_where_the_next_begins)
{
	commit(0);
	take(1, 10, MPSAMPLE_KIND_PHASE, "open", 0);
	take(2, 30, MPSAMPLE_KIND_PHASE, "trade", 0);
	commit(100);
	commit(200);
	EXPECT("SELECT name, start_ns, end_ns, source FROM v_phase ORDER BY start_ns",
	    "open|10|30|marker\ntrade|30|-|marker");
	take(2, 210, MPSAMPLE_KIND_PHASE, "close", 0);
	end();
	EXPECT("SELECT name, end_ns FROM v_phase ORDER BY start_ns", "open|30\ntrade|210\nclose|-");
}

Test(markers, too_many_names)
{
	char name[32];

	commit(0);
	for (int i = 0; i < 70000; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		take(1, i, MPSAMPLE_KIND_MARK, name, 0);
	}
	take(1, 70000, MPSAMPLE_KIND_MARK, "name 1", 0); /* is known */
	end();
	EXPECT("SELECT count(*) FROM v_mark", "65537");
	cr_expect_eq(lost("marker names, of too many"), 70000 - 65536);
	cr_expect_eq(lost("marker names, of too many"), 0);
}

Test(markers, too_many_open_spans)
{
	enum { N = 262144 + 11 };

	commit(0);
	for (uint64_t i = 0; i < N; i++)
		take(1, (int64_t)i, MPSAMPLE_KIND_SPAN_BEGIN, "s", i * 64);
	take(1, N, MPSAMPLE_KIND_SPAN_END, "s", 0);
	take(1, N + 1, MPSAMPLE_KIND_SPAN_BEGIN, "s", 1); /* there is room for one more again */
	end();
	cr_expect_eq(lost("open spans, of too many"), 11);
	EXPECT(COUNTERS, "0|span_begin_without_end|262144");
}

Test(markers, too_many_rows)
{
	commit(0);
	for (int i = 0; i < 250000 + 9; i++)
		take(1, i, MPSAMPLE_KIND_MARK, "m", 0);
	commit(300000);
	commit(600000);
	cr_expect_eq(lost("marker rows, of too many"), 9);
	take(1, 300001, MPSAMPLE_KIND_MARK, "m", 0);
	end();
	EXPECT("SELECT count(*) FROM v_mark", "250001");
	cr_expect_eq(lost("marker rows, of too many"), 0);
}

/* Pools have a queue of their own. */
Test(markers, pools_are_not_its_business)
{
	commit(0);
	take(1, 1, MPSAMPLE_KIND_POOL_CREATE, "orders", 0xa0);
	take(1, 2, MPSAMPLE_KIND_POOL_GET, NULL, 0xa0);
	end();
	EXPECT("SELECT (SELECT count(*) FROM v_pool) + (SELECT count(*) FROM v_mark)", "0");
}

Test(markers, too_many_waiting)
{
	enum { N = (2 << 20) + 3 };

	commit(0);
	for (int64_t i = 0; i < N; i++) /* in the worst order */
		take(1, 2 * N - i, MPSAMPLE_KIND_SPAN_END, "s", 1);
	end();
	cr_expect_eq(lost("markers waiting, of too many"), 3);
	EXPECT(COUNTERS, "0|span_end_without_begin|2097152");
}
