/* SPDX-License-Identifier: MIT */
#include "analysis/explain/explain.h"

#include <errno.h>
#include <math.h>

#include "tests/unit/explain_fixture.h"

/*
 * A recording whose every call and cause is known: what explain says is compared with sums over these arrays.
 * Calls are of two operations and three threads, at three sites or without a stack; half are outliers.
 */
#define CALLS 4000
#define KINDS 6

static const char *const kinds[KINDS] = {
    "minor_fault", "off_cpu", "syscall:mmap", "lock", "irq", "unexplained"};

static struct known {
	int64_t call_id, t_ns, dur_ns, tid;
	int64_t part[KINDS]; /* the last is unexplained */
	uint32_t op;
	int place;
	bool outlier;
} calls[CALLS];

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* Outliers have some causes and the rest unexplained; each seventh has no rows at all. */
static void append_causes(struct known *k, int i)
{
	k->part[KINDS - 1] = k->dur_ns;
	if (!k->outlier || i % 7 == 0)
		return;
	for (int c = 0; c < KINDS - 1; c++) {
		if (next_random(2))
			continue;
		k->part[c] = 1 + (int64_t)next_random((uint64_t)k->part[KINDS - 1] / 2);
		k->part[KINDS - 1] -= k->part[c];
		append_cause(k->call_id, kinds[c], k->part[c], 1 + next_random(3),
		    c == 1 ? "ran: kworker/1:2/61" : NULL);
	}
	append_cause(k->call_id, "unexplained", k->part[KINDS - 1], 1, NULL);
}

static void setup(void)
{
	create();
	append_stacks();
	for (int64_t tid = 100; tid < 103; tid++)
		cr_assert_eq(mp_append_thread(s, tid, "worker\x1b", START_NS, NULL, &err), 0);
	for (int i = 0; i < CALLS; i++) {
		bool outlier = next_random(2);
		int stack = (int)next_random(7);
		struct known *k = &calls[i];

		*k = (struct known){.t_ns = START_NS + i * 1000000LL,
		    .dur_ns = (int64_t)(outlier ? 5000 + next_random(100000) : 40 + next_random(200)),
		    .tid = 100 + i % 3,
		    .op = i % 5 ? MP_OP_MALLOC : MP_OP_FREE,
		    .place = stack ? stack % 3 : 3,
		    .outlier = outlier};
		struct mp_call c = {.t_ns = k->t_ns,
		    .tid = k->tid,
		    .op = k->op,
		    .kept = outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
		    .weight = outlier ? 1 : 64,
		    .size_bytes = k->op == MP_OP_MALLOC ? 40 : 0,
		    .dur_ns = k->dur_ns,
		    .stack_id = stack};
		cr_assert_eq(mp_append_call(s, &c, &k->call_id, &err), 0);
		append_causes(k, i);
		append_count(k->t_ns, k->op, k->dur_ns);
	}
	reopen();
}

TestSuite(explain, .init = setup, .fini = teardown, .timeout = 120);

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* By sorting all durations, then the middle of the bucket of that rank. */
static int64_t p999(uint32_t op)
{
	static int64_t sorted[CALLS];
	size_t n = 0;

	for (int i = 0; i < CALLS; i++)
		if (calls[i].op == op)
			sorted[n++] = calls[i].dur_ns;
	qsort(sorted, n, sizeof(*sorted), by_value);
	unsigned int bucket = mp_hist_bucket((uint64_t)sorted[(n * 999 + 999) / 1000 - 1]);
	int64_t middle = (int64_t)(mp_hist_lo_ns(bucket) + mp_hist_hi_ns(bucket)) / 2;
	return middle < sorted[n - 1] ? middle : sorted[n - 1];
}

static int by_slowness(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->outlier != y->outlier)
		return x->outlier ? -1 : 1;
	if (x->dur_ns != y->dur_ns)
		return x->dur_ns > y->dur_ns ? -1 : 1;
	return x->call_id < y->call_id ? -1 : 1;
}

Test(explain, accounts_of_all_calls_add_up)
{
	struct mp_report_filter filter = everything;
	sqlite3_stmt *st;
	int i = 0;

	filter.limit = CALLS;
	char *text = document(&mp_report_explain, filter);
	qsort(calls, CALLS, sizeof(*calls), by_slowness);
	st = query("SELECT value ->> 'call_id', value ->> 'dur_ns', value ->> 't_ns', value ->> 'site',"
		   " value ->> 'explained_share', (SELECT sum(c.value ->> 'ns') FROM json_each(r.value, "
		   "'$.causes') c),"
		   " (SELECT group_concat(c.value ->> 'kind' || '=' || (c.value ->> 'ns')) FROM "
		   "json_each(r.value, '$.causes')"
		   "  c WHERE c.value ->> 'kind' = 'unexplained')"
		   " FROM json_each(?, '$.rows') r",
	    text);
	for (; sqlite3_step(st) == SQLITE_ROW; i++) {
		const struct known *k = &calls[i];
		char rest[48];

		cr_assert(i < CALLS && k->outlier);
		snprintf(rest, sizeof(rest), "unexplained=%lld", (long long)k->part[KINDS - 1]);
		cr_assert_eq(sqlite3_column_int64(st, 0), k->call_id);
		cr_assert_eq(sqlite3_column_int64(st, 1), k->dur_ns);
		cr_assert_eq(sqlite3_column_int64(st, 2), k->t_ns - START_NS);
		cr_assert_str_eq((const char *)sqlite3_column_text(st, 3), sites[k->place]);
		cr_assert_float_eq(
		    sqlite3_column_double(st, 4), 1 - (double)k->part[KINDS - 1] / (double)k->dur_ns, 6e-5);
		cr_assert_eq(sqlite3_column_int64(st, 5), k->dur_ns);
		cr_assert_str_eq((const char *)sqlite3_column_text(st, 6), rest);
	}
	sqlite3_finalize(st);
	cr_assert(i > CALLS / 3 && (i == CALLS || !calls[i].outlier), "all outliers: %d", i);
	free(text);
}

/* The ranking by summing the arrays. */
struct sums {
	int64_t calls[KINDS][PLACES], ns[KINDS][PLACES], tail_ns[KINDS][PLACES], all_ns, all_tail_ns;
};

static struct sums brute_force(bool (*wanted)(const struct known *))
{
	struct sums u = {0};
	int64_t tail[2] = {p999(MP_OP_MALLOC), p999(MP_OP_FREE)};

	for (int i = 0; i < CALLS; i++) {
		const struct known *k = &calls[i];
		bool beyond = k->dur_ns >= tail[k->op == MP_OP_FREE];

		if (!k->outlier || (wanted && !wanted(k)))
			continue;
		u.all_ns += k->dur_ns;
		u.all_tail_ns += beyond ? k->dur_ns : 0;
		for (int c = 0; c < KINDS; c++) {
			u.calls[c][k->place] += k->part[c] > 0;
			u.ns[c][k->place] += k->part[c];
			u.tail_ns[c][k->place] += beyond ? k->part[c] : 0;
		}
	}
	return u;
}

static int index_of(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	cr_assert_fail("unknown name %s", name);
	return -1;
}

static void compare_ranking(const char *text, const struct sums *u)
{
	sqlite3_stmt *st =
	    query("SELECT value ->> 'kind', value ->> 'site', value ->> 'calls', value ->> 'total_ns',"
		  " value ->> 'share', value ->> 'tail_share' FROM json_each(?, '$.ranking')",
		text);
	int64_t last = INT64_MAX;
	int rows = 0, want = 0;

	for (; sqlite3_step(st) == SQLITE_ROW; rows++) {
		int c = index_of(kinds, KINDS, (const char *)sqlite3_column_text(st, 0));
		int p = index_of(sites, PLACES, (const char *)sqlite3_column_text(st, 1));

		cr_assert_eq(sqlite3_column_int64(st, 2), u->calls[c][p], "%s %s", kinds[c], sites[p]);
		cr_assert_eq(sqlite3_column_int64(st, 3), u->ns[c][p]);
		cr_assert(sqlite3_column_int64(st, 3) <= last, "the most first");
		last = sqlite3_column_int64(st, 3);
		cr_assert_float_eq(
		    sqlite3_column_double(st, 4), (double)u->ns[c][p] / (double)u->all_ns, 6e-5);
		cr_assert_eq(sqlite3_column_type(st, 5) == SQLITE_NULL, u->all_tail_ns == 0);
		cr_assert(!u->all_tail_ns || fabs(sqlite3_column_double(st, 5) -
						  (double)u->tail_ns[c][p] / (double)u->all_tail_ns) < 6e-5);
	}
	sqlite3_finalize(st);
	for (int c = 0; c < KINDS; c++)
		for (int p = 0; p < PLACES; p++)
			want += u->calls[c][p] > 0;
	cr_assert_eq(rows, want);
}

Test(explain, ranking_is_what_summing_gives)
{
	struct sums u = brute_force(NULL);
	char *text = document(&mp_report_explain, everything);

	cr_assert(u.all_tail_ns > 0 && u.all_tail_ns < u.all_ns);
	compare_ranking(text, &u);
	cr_assert_float_eq(ask(text, "SELECT sum(value ->> 'share') FROM json_each(?, '$.kinds')"), 1, 1e-3);
	cr_assert_float_eq(
	    ask(text, "SELECT sum(value ->> 'tail_share') FROM json_each(?, '$.kinds')"), 1, 1e-3);
	cr_assert_eq(ask(text, "SELECT json_array_length(?, '$.rows')"), 20);
	cr_assert_eq(
	    ask(text,
		"SELECT group_concat(key) = 'report,session,rows,kinds,ranking,coverage' FROM json_each(?)"),
	    1);
	cr_assert_eq(
	    ask(text, "SELECT group_concat(key) = 'call_id,t_ns,tid,thread,op,size_bytes,dur_ns,causes,"
		      "explained_share,site' FROM json_each(?, '$.rows[0]')"),
	    1);
	free(text);
}

static bool is_wanted(const struct known *k)
{
	return k->tid == 101 && k->op == MP_OP_MALLOC;
}

Test(explain, only_what_was_asked_for)
{
	struct mp_report_filter filter = everything;
	struct sums u = brute_force(is_wanted);

	filter.tid = 101;
	filter.op = "malloc";
	char *text = document(&mp_report_explain, filter);
	compare_ranking(text, &u);
	cr_assert_eq(ask(text, "SELECT min(value ->> 'tid' = 101 AND value ->> 'op' = 'malloc') FROM "
			       "json_each(?, '$.rows')"),
	    1);
	free(text);

	filter = everything;
	filter.from_ns = 1000000000;
	filter.to_ns = 1500000000;
	filter.limit = CALLS;
	text = document(&mp_report_explain, filter);
	int want = 0;
	for (int i = 0; i < CALLS; i++)
		want += calls[i].outlier && calls[i].t_ns >= START_NS + 1000000000 &&
			calls[i].t_ns < START_NS + 1500000000;
	cr_assert_eq(ask(text, "SELECT json_array_length(?, '$.rows')"), want);
	free(text);
}

Test(explain, csv_has_a_row_for_each_call_and_cause)
{
	struct mp_report_filter filter = everything;
	char *text;
	int lines = 0, want = 1;

	filter.limit = 10;
	cr_assert_eq(run(&mp_report_explain, filter, MP_FORMAT_CSV, &text), 0, "%s", err.text);
	cr_assert(
	    !strncmp(text,
		"call_id,t_ns,tid,thread,op,size_bytes,dur_ns,kind,ns,n,detail,explained_share,site\r\n", 80),
	    "%s", text);
	qsort(calls, CALLS, sizeof(*calls), by_slowness);
	for (int i = 0; i < 10; i++)
		for (int c = 0; c < KINDS; c++)
			want += c == KINDS - 1 || calls[i].part[c] > 0;
	for (const char *c = text; (c = strstr(c, "\r\n")); c += 2)
		lines++;
	cr_assert_eq(lines, want, "%s", text);
	free(text);
}

Test(explain, v_outlier_names_the_largest_cause)
{
	sqlite3_stmt *st = query("SELECT call_id, dur_ns, cause, cause_ns, explained_share, detail FROM "
				 "v_outlier ORDER BY call_id",
	    NULL);
	int n = 0;

	for (int i = 0; i < CALLS; i++) {
		const struct known *k = &calls[i];
		int64_t most = 0;

		if (!k->outlier)
			continue;
		n++;
		for (int c = 0; c < KINDS; c++)
			most = k->part[c] > most ? k->part[c] : most;
		cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
		cr_assert_eq(sqlite3_column_int64(st, 0), k->call_id);
		cr_assert_eq(sqlite3_column_int64(st, 3), most);
		int c = index_of(kinds, KINDS, (const char *)sqlite3_column_text(st, 2));
		cr_assert_eq(k->part[c], most);
		cr_assert_eq(sqlite3_column_type(st, 5) == SQLITE_TEXT, c == 1);
		cr_assert_float_eq(
		    sqlite3_column_double(st, 4), 1 - (double)k->part[KINDS - 1] / (double)k->dur_ns, 1e-9);
	}
	cr_assert_eq(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	cr_assert(n > CALLS / 3);
	char *text = document(mp_report_find("outliers", &err), everything);
	cr_assert_eq(ask(text, "SELECT count(*) = 20 FROM json_each(?, '$.rows') JOIN v_outlier o"
			       " ON o.call_id = value ->> 'call_id' AND o.cause = value ->> 'cause'"
			       " AND abs(o.explained_share - (value ->> 'explained_share')) < 1e-4"),
	    1);
	free(text);
}

Test(explain, what_is_not_there_is_said)
{
	struct mp_report_filter filter = everything;
	char *text;

	filter.call_id = 999999;
	cr_assert_eq(run(&mp_report_explain_call, filter, MP_FORMAT_JSON, &text), -EINVAL);
	cr_assert(strstr(err.text, "call 999999 is not in"), "%s", err.text);
	cr_assert_str_empty(text);
	free(text);
	filter = everything;
	filter.op = "mallok";
	cr_assert_eq(run(&mp_report_explain, filter, MP_FORMAT_JSON, &text), -EINVAL);
	cr_assert(strstr(err.text, "there is no operation mallok: there are malloc, calloc"), "%s", err.text);
	free(text);
	cr_assert_eq(ask(NULL, "PRAGMA query_only"), 1, "read-only again after a failure");
}

/* Sessions of a few calls, made for one purpose. */

TestSuite(explain_made, .fini = teardown, .timeout = 120);

Test(explain_made, the_tail_has_slow_paths_in_it)
{
	struct mp_call c = {.t_ns = START_NS,
	    .tid = 100,
	    .op = MP_OP_SLOW + MP_OP_MALLOC,
	    .kept = MP_KEPT_OUTLIER,
	    .weight = 1,
	    .dur_ns = 300000};
	int64_t call_id;

	create();
	for (int i = 0; i < 100; i++)
		append_count(START_NS, (uint32_t)c.op, 5000);
	append_count(START_NS, (uint32_t)c.op, c.dur_ns);
	cr_assert_eq(mp_append_call(s, &c, &call_id, &err), 0);
	append_cause(call_id, "off_cpu", 200000, 1, NULL);
	reopen();
	char *text = document(&mp_report_explain, everything);
	cr_assert_float_eq(ask(text, "SELECT value ->> 'tail_share' FROM json_each(?, '$.kinds') WHERE value "
				     "->> 'kind' = 'off_cpu'"),
	    2.0 / 3, 1e-3);
	free(text);
}

Test(explain_made, an_account_in_words)
{
	struct mp_report_filter filter = everything;
	char *text;

	create();
	append_stacks();
	cr_assert_eq(mp_append_thread(s, 22927, "me-engine", START_NS, NULL, &err), 0);
	struct mp_call c = {.t_ns = START_NS + 1234567890,
	    .tid = 22927,
	    .op = MP_OP_MALLOC,
	    .kept = MP_KEPT_OUTLIER,
	    .weight = 1,
	    .size_bytes = 40,
	    .dur_ns = 214310,
	    .stack_id = 1};
	int64_t id;
	cr_assert_eq(mp_append_call(s, &c, &id, &err), 0);
	append_cause(id, "off_cpu", 180100, 1, "ran: kworker/1:2/61");
	append_cause(id, "syscall:mmap", 24000, 1, NULL);
	append_cause(id, "minor_fault", 3100, 2, NULL);
	append_cause(id, "softirq", 10, 1, "net_rx");
	append_cause(id, "unexplained", 7100, 1, NULL);
	struct mp_kernel_event events[] = {{c.t_ns + 1000, 22927, "minor_fault", 3100, 0x7000, 0x8000},
	    {c.t_ns - 1000, 22927, "off_cpu", 500, 0, 0}, {c.t_ns + 2000, 22928, "off_cpu", 500, 0, 0},
	    {c.t_ns + 3000, 22927, "migration", -1, 1, 0}};
	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(mp_append_kernel_event(s, &events[i], &err), 0);
	c.t_ns += 900000;
	cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0);
	c.t_ns += 900000;
	cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0);
	reopen();

	cr_assert_eq(run(&mp_report_explain, filter, MP_FORMAT_TABLE, &text), 0, "%s", err.text);
	cr_assert(
	    strstr(text, "\n#1 at 1.234567 s, me-engine/22927, malloc 40 B: 214.3 us = 180.1 off_cpu"
			 " (ran: kworker/1:2/61) + 24.0 syscall:mmap + 3.1 minor_fault (2) + 7.1 unexplained;"
			 " site site B\n"),
	    "%s", text);
	free(text);
	filter.call_id = id;
	text = document(&mp_report_explain_call, filter);
	cr_assert_eq(ask(text, "SELECT json_array_length(?, '$.events')"), 2, "%s", text);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.events[0].after_ns')"), 1000);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.events[1].cpu')"), 1);
	cr_assert_eq(
	    ask(text, "SELECT group_concat(value ->> 'call_id') = '2' FROM json_each(?, '$.neighbours')"), 1);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.stack[0].depth')"), 0);
	cr_assert_eq(ask(text, "SELECT sum(value ->> 'total_ns') FROM json_each(?, '$.parts')"), 214310);
	free(text);
}

Test(explain_made, of_a_recording_of_everything_the_tail_is_explained)
{
	create();
	for (int i = 0; i < 2000; i++) {
		struct mp_call c = {.t_ns = START_NS + i,
		    .tid = 100,
		    .op = MP_OP_MALLOC,
		    .kept = MP_KEPT_FULL,
		    .weight = 1,
		    .dur_ns = i < 1995 ? 100 : 50000 + i};

		cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0);
		append_count(c.t_ns, c.op, c.dur_ns);
	}
	reopen();
	char *text = document(&mp_report_explain, everything);
	cr_assert_eq(ask(text, "SELECT json_extract(?, '$.rows[0].dur_ns')"), 51999);
	double n = ask(text, "SELECT json_array_length(?, '$.rows')");
	cr_assert(n >= 2 && n <= 5, "%g", n);
	cr_assert_eq(ask(NULL, "SELECT count(*) FROM v_outlier"), n);
	free(text);
}

/* ---- Sessions from anybody ---- */

static void edit(const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	s = NULL;
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
	sqlite3_close(db);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
}

static void run_everything(void)
{
	struct mp_report_filter filter = everything;
	const struct mp_report *reports[] = {&mp_report_explain, &mp_report_explain_call,
	    mp_report_find("advice", &err), mp_report_find("outliers", &err)};

	filter.call_id = 1;
	for (size_t i = 0; i < 4; i++)
		for (int format = MP_FORMAT_TABLE; format <= MP_FORMAT_CSV; format++) {
			char *text;
			int rc = run(reports[i], filter, (enum mp_format)format, &text);

			cr_assert(rc == 0 || rc == -EIO, "%d %s", rc, err.text);
			if (rc == 0 && format == MP_FORMAT_JSON)
				cr_assert_eq(ask(text, "SELECT json_valid(?)"), 1, "%s", text);
			cr_assert(!strstr(text, "\x1b"), "%s", text);
			free(text);
		}
	cr_assert_eq(ask(NULL, "PRAGMA query_only"), 1);
}

Test(explain_made, causes_beyond_the_duration_are_cut)
{
	create();
	for (int i = 0; i < 3; i++)
		append_outlier(1000, 40, 0);
	append_cause(1, "lock", 700, 1, NULL);
	append_cause(1, "migration", INT64_MAX, 1, NULL);
	append_cause(1, "unexplained", 5000, 1, NULL);
	append_cause(2, "lock", -700, 1, NULL);
	append_cause(3, "unexplained", -5, 1, NULL);
	reopen();
	char *text = document(&mp_report_explain, everything);
	cr_assert_eq(ask(text, "SELECT min(a = 1000 AND b >= 0 AND c BETWEEN 0 AND 1) FROM (SELECT"
			       " (SELECT sum(c.value ->> 'ns') FROM json_each(r.value, '$.causes') c) AS a,"
			       " (SELECT min(c.value ->> 'ns') FROM json_each(r.value, '$.causes') c) AS b,"
			       " value ->> 'explained_share' AS c FROM json_each(?, '$.rows') r)"),
	    1, "%s", text);
	cr_assert_float_eq(ask(text, "SELECT sum(value ->> 'share') FROM json_each(?, '$.kinds')"), 1, 1e-3);
	cr_assert_eq(ask(NULL, "SELECT min(explained_share BETWEEN 0 AND 1) FROM v_outlier"), 1);
	free(text);
	run_everything();
}

Test(explain_made, absurd_numbers_and_names_are_borne)
{
	create();
	append_stacks();
	for (int i = 0; i < 20; i++)
		append_outlier(1000 + i, 40, i % 7);
	append_cause(1, "off_cpu", 500, UINT64_MAX, "ran: \xff\x1b[2J\xe2\x80\xae\"/1");
	append_cause(2, "\x1b\"kind\\\n", 500, 1, "/");
	append_cause(3, "", 500, 1, "ran: /999999999999999999999999");
	reopen();
	run_everything();
	edit("UPDATE call SET dur_ns = 9223372036854775807, t_ns = -9223372036854775808 WHERE call_id < 5;"
	     "UPDATE call SET dur_ns = -9223372036854775808, size_bytes = -1, stack_id = 77777 WHERE call_id "
	     "BETWEEN 5 AND 7;"
	     "UPDATE call SET t_ns = 9223372036854775807, op_id = 9223372036854775807, kept = 99 WHERE "
	     "call_id = 8;"
	     "UPDATE call SET weight = -9223372036854775808, kept = 3, op_id = -1 WHERE call_id = 9;"
	     "UPDATE latency SET calls = 9223372036854775807, bucket = bucket * 1000");
	run_everything();
	edit("UPDATE session SET value = '-9223372036854775808' WHERE key = 'start_ns'");
	run_everything();
}

Test(explain_made, tables_of_other_types_are_borne)
{
	create();
	for (int i = 0; i < 20; i++)
		append_outlier(1000 + i, 40, 0);
	reopen();
	edit("DROP VIEW v_cause; DROP TABLE cause; CREATE TABLE cause (call_id, kind, dur_ns, n, detail);"
	     "INSERT INTO cause VALUES (1, NULL, NULL, NULL, NULL), (1, 'lock', 'much', 'often', 7), (1, "
	     "'lock', 100, 1, NULL),"
	     " (1, 'lock', 100, 1, NULL), (2, 3.5, 1e300, -1e300, 'x'), (NULL, 'lock', 1, 1, NULL), ('a', "
	     "'b', 'c', 'd', 'e'),"
	     " (3, 'irq', 7, 1, 'a' || char(0) || 'b')");
	run_everything();
	edit("INSERT INTO cause VALUES (4, x'00ff', 100, x'01', x'02')");
	run_everything();
}

Test(explain_made, an_empty_session_has_nothing_to_explain)
{
	create();
	reopen();
	char *text = document(&mp_report_explain, everything);
	cr_assert_eq(
	    ask(text, "SELECT json_extract(?1, '$.rows') = '[]' AND json_extract(?1, '$.ranking') = '[]'"),
	    1);
	free(text);
	cr_assert_eq(run(&mp_report_explain, everything, MP_FORMAT_TABLE, &text), 0, "%s", err.text);
	cr_assert(strstr(text, "Slowest calls, and why\n(no rows)\n"), "%s", text);
	free(text);
}
