/* SPDX-License-Identifier: MIT */
#include "analysis/report.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/append.h"
#include "store/histogram.h"
#include "store/op.h"

/*
 * A recording of SLOTS seconds whose every duration is known: malloc and free, in two size classes, a slow
 * second, and kept calls of three sites. What views and reports say is compared with what sorting all
 * durations gives.
 */
#define START_NS 7000000000123LL
#define SLOTS    8
#define PER_SLOT 1009
#define SLOW     5
#define KEPT     3001

static char path[] = "/tmp/mp-report-XXXXXX";
static struct mp_session *s;
static struct mp_err err;

static struct {
	uint64_t ns[SLOTS * PER_SLOT];
	int n;
} calls[2];

static struct kept {
	int64_t dur_ns, weight, size, tid;
	int site;
} kept[KEPT];

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t next_duration(int slot)
{
	uint64_t ns = 40 + next_random() % 200;

	if (next_random() % 500 == 0)
		ns *= 1 + next_random() % 1000;
	return slot == SLOW && next_random() % 20 == 0 ? ns * 50 : ns;
}

static void append_slot(int slot)
{
	static struct mp_hist hist[2][2];
	int64_t slot_ns = START_NS + slot * 1000000000LL;

	memset(hist, 0, sizeof(hist));
	for (int i = 0; i < PER_SLOT; i++) {
		int op = (int)(next_random() % 2), class = op ? 0 : (int)(next_random() % 2);
		uint64_t ns = next_duration(slot);
		struct mp_hist *h = &hist[op][class];

		calls[op].ns[calls[op].n++] = ns;
		h->calls++;
		h->bytes += op ? 0 : 10;
		h->sum_ns += ns;
		h->max_ns = ns > h->max_ns ? ns : h->max_ns;
		h->bucket[mp_hist_bucket(ns)]++;
	}
	for (int i = 0; i < 4; i++) {
		struct mp_hist *h = &hist[i / 2][i % 2];
		uint32_t op = i / 2 ? MP_OP_FREE : MP_OP_MALLOC;
		struct mp_latency_sum sum = {h->calls, h->bytes, h->sum_ns, h->max_ns};

		for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
			if (h->bucket[b])
				cr_assert_eq(
				    mp_append_latency(s, slot_ns, op, (uint32_t)i % 2, b, h->bucket[b], &err),
				    0);
		if (h->calls)
			cr_assert_eq(mp_append_latency_sum(s, slot_ns, op, (uint32_t)i % 2, &sum, &err), 0);
	}
}

/* Stacks 1..6: sites A, B, C, two stacks each; site 3 of a call is no stack at all. */
static void append_kept(void)
{
	static const char *const names[] = {"site A", "site B", "site \"C\"\n"};

	cr_assert_eq(mp_append_frame(s, 7, 0x2000, 0, 0, &err), 0);
	for (int64_t i = 1; i <= 6; i++) {
		int64_t frames[] = {i, 7};
		struct mp_stack_row stack = {i, frames, 2, 3, 0};

		cr_assert_eq(mp_append_frame(s, i, 0x1000 + (uint64_t)i, 0, 0, &err), 0);
		cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
		cr_assert_eq(mp_update_site(s, i, names[i % 3], &err), 0);
	}
	for (int i = 0; i < KEPT; i++) {
		struct kept *k = &kept[i];
		bool outlier = next_random() % 10 == 0;
		int stack = (int)(next_random() % 7);

		*k = (struct kept){
		    .dur_ns = (int64_t)(outlier ? 5000 + next_random() % 100000 : 40 + next_random() % 200),
		    .weight = outlier ? 1 : 64,
		    .size = (int64_t)(next_random() % 1000),
		    .tid = 100 + i % 3,
		    .site = stack ? stack % 3 : 3};
		struct mp_call c = {.t_ns = START_NS + i * 1000000LL,
		    .tid = k->tid,
		    .op = MP_OP_MALLOC,
		    .kept = outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
		    .weight = (uint32_t)k->weight,
		    .size_bytes = (uint64_t)k->size,
		    .addr = 0x7000,
		    .dur_ns = k->dur_ns,
		    .stack_id = stack};
		cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0);
	}
}

static void record(bool finish)
{
	int fd = mkstemp(path);

	close(fd);
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "pid", "4242");
	mp_session_set(s, &err, "command", "./engine \"x\"\n");
	mp_session_set(s, &err, "planes", "uprobe,perf");
	mp_session_set(s, &err, "backend", "bpf");
	mp_session_set(s, &err, "probe", "all");
	mp_session_set(s, &err, "duty", "1.0");
	mp_session_set(s, &err, "floor_ns", "462");
	mp_session_set(s, &err, "start_ns", "%lld", (long long)START_NS);
	for (int64_t tid = 100; tid < 103; tid++)
		cr_assert_eq(mp_append_thread(s, tid, "worker\x1b", START_NS, NULL, &err), 0);
	for (int i = 0; i < SLOTS; i++) {
		append_slot(i);
		cr_assert_eq(mp_append_clock(s, START_NS + i * 1000000000LL, 0, &err), 0);
	}
	append_kept();
	cr_assert_eq(mp_append_loss(s, START_NS + 1500000000, "ring", "rows", 34, &err), 0);
	cr_assert_eq(mp_append_loss(s, START_NS + 2500000000, "ring", "calls", 11, &err), 0);
	if (finish) {
		mp_session_set(s, &err, "end_ns", "%lld", START_NS + SLOTS * 1000000000LL);
		mp_session_set(s, &err, "duration_ns", "%lld", SLOTS * 1000000000LL);
		mp_session_set(s, &err, "end_reason", "duration");
	}
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
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

TestSuite(report, .init = setup, .fini = teardown, .timeout = 120);

static const struct mp_report_filter everything = {.from_ns = -1, .to_ns = -1, .limit = -1};

static int run_report(const char *name, struct mp_report_filter filter, enum mp_format format, char **text)
{
	size_t size = 0;
	FILE *out = open_memstream(text, &size);
	const struct mp_report *report = mp_report_find(name, &err);

	cr_assert(report, "%s", err.text);
	int rc = mp_report_run(s, report, &filter, out, format, &err);
	fclose(out);
	return rc;
}

static sqlite3_stmt *query(const char *sql)
{
	sqlite3_stmt *st = NULL;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(mp_session_db(s)));
	return st;
}

static int64_t one(const char *sql)
{
	sqlite3_stmt *st = query(sql);

	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", sql);
	int64_t value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

/* A number in a report's JSON, by SQLite's own parser; -1 for null. */
static double json(const char *text, const char *where)
{
	sqlite3_stmt *st = query("SELECT coalesce(json_extract(?, ?), -1)");

	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, where, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s: %s", sqlite3_errmsg(mp_session_db(s)), text);
	double value = sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return value;
}

static bool json_has(const char *text, const char *sql)
{
	sqlite3_stmt *st = query(sql);

	sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s: %s", sqlite3_errmsg(mp_session_db(s)), text);
	bool value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return value;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What the definition promises: nearest rank among all durations, then the middle of that one's bucket. */
static int64_t percentile(const uint64_t *sorted, int n, int q)
{
	int rank = (int)(((int64_t)n * q + 9999) / 10000);
	unsigned int bucket = mp_hist_bucket(sorted[rank - 1]);
	uint64_t middle = (mp_hist_lo_ns(bucket) + mp_hist_hi_ns(bucket)) / 2;

	return (int64_t)(middle < sorted[n - 1] ? middle : sorted[n - 1]);
}

Test(report, v_percentile_is_the_nearest_rank)
{
	static const int quantiles[] = {5000, 9000, 9900, 9990, 9999};

	for (int op = 0; op < 2; op++) {
		sqlite3_stmt *st = query("SELECT * FROM v_percentile WHERE op = ?");

		qsort(calls[op].ns, (size_t)calls[op].n, sizeof(uint64_t), by_value);
		sqlite3_bind_text(st, 1, op ? "free" : "malloc", -1, SQLITE_STATIC);
		cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
		cr_assert_eq(sqlite3_column_int(st, 1), calls[op].n);
		for (int i = 0; i < 5; i++)
			cr_assert_eq(sqlite3_column_int64(st, 2 + i),
			    percentile(calls[op].ns, calls[op].n, quantiles[i]));
		cr_assert_eq(sqlite3_column_int64(st, 7), (int64_t)calls[op].ns[calls[op].n - 1]);
		sqlite3_finalize(st);
	}
	cr_assert_eq(one("SELECT count(*) FROM v_percentile"), 2);
}

Test(report, v_second_sums_to_all_and_knows_the_slow_second)
{
	cr_assert_eq(one("SELECT sum(calls) FROM v_second"), SLOTS * PER_SLOT);
	cr_assert_eq(one("SELECT count(*) FROM v_second"), SLOTS * 2);
	cr_assert_eq(one("SELECT slot_ns FROM v_second WHERE op = 'free' ORDER BY p99_ns DESC LIMIT 1"),
	    START_NS + SLOW * 1000000000LL);
	cr_assert_eq(one("SELECT max(max_ns) FROM v_second WHERE op = 'malloc'"),
	    one("SELECT max_ns FROM v_percentile WHERE op = 'malloc'"));
}

static int by_duration(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return x->dur_ns < y->dur_ns ? -1 : x->dur_ns > y->dur_ns;
}

/* The smallest duration that the given part of all calls, weighted, does not exceed. */
static int64_t weighted(int site, int64_t total, int percent)
{
	int64_t upto = 0, rank = (total * percent + 99) / 100;

	for (int i = 0; i < KEPT; i++)
		if (kept[i].site == site && (upto += kept[i].weight) >= rank)
			return kept[i].dur_ns;
	return -1;
}

Test(report, v_site_is_weighted)
{
	static const char *const names[] = {"site A", "site B", "site \"C\"\n", "[no stack]"};

	qsort(kept, KEPT, sizeof(*kept), by_duration);
	cr_assert_eq(one("SELECT count(*) FROM v_site"), 4);
	for (int site = 0; site < 4; site++) {
		int64_t n = 0, bytes = 0, time = 0, max = 0;
		sqlite3_stmt *st =
		    query("SELECT calls, bytes, p50_ns, p99_ns, max_ns, stack_id, time_ns,"
			  " (SELECT max(dur_ns) FROM v_call WHERE v_call.stack_id IS v_site.stack_id)"
			  " FROM v_site WHERE site = ?");

		for (int i = 0; i < KEPT; i++)
			if (kept[i].site == site) {
				n += kept[i].weight;
				bytes += kept[i].weight * kept[i].size;
				time += kept[i].weight * kept[i].dur_ns;
				max = kept[i].dur_ns;
			}
		sqlite3_bind_text(st, 1, names[site], -1, SQLITE_STATIC);
		cr_assert_eq(sqlite3_step(st), SQLITE_ROW, "%s", names[site]);
		cr_assert_eq(sqlite3_column_int64(st, 0), n);
		cr_assert_eq(sqlite3_column_int64(st, 1), bytes);
		cr_assert_eq(sqlite3_column_int64(st, 2), weighted(site, n, 50));
		cr_assert_eq(sqlite3_column_int64(st, 3), weighted(site, n, 99));
		cr_assert_eq(sqlite3_column_int64(st, 4), max);
		cr_assert_eq(sqlite3_column_int64(st, 6), time);
		cr_assert_eq(sqlite3_column_int64(st, 7), max, "the stack is that of the slowest call");
		cr_assert_eq(sqlite3_column_type(st, 5) == SQLITE_NULL, site == 3);
		sqlite3_finalize(st);
	}
}

Test(report, views_have_the_promised_columns)
{
	static const char *const promised[][2] = {
	    {"v_session", "key,value"},
	    {"v_thread", "tid,comm,start_ns,end_ns"},
	    {"v_latency", "slot_ns,op,size_lo_bytes,size_hi_bytes,lo_ns,hi_ns,calls"},
	    {"v_percentile", "op,calls,p50_ns,p90_ns,p99_ns,p999_ns,p9999_ns,max_ns"},
	    {"v_jitter", "op,size_lo_bytes,size_hi_bytes,calls,p50_ns,p90_ns,p99_ns,p999_ns,p9999_ns,"
			 "p99999_ns,max_ns,mean_ns,stddev_ns,cv,p999_over_p50"},
	    {"v_call", "call_id,t_ns,tid,op,size_bytes,addr,dur_ns,kept,weight,stack_id,site"},
	    {"v_outlier", "call_id,t_ns,tid,op,size_bytes,dur_ns,site,cause,cause_ns,detail,explained_share"},
	    {"v_site", "site,op,calls,bytes,p50_ns,p99_ns,max_ns,stack_id"},
	    {"v_stack", "stack_id,depth,function,module,file,line,offset,addr,name,inlined,source,unwound,"
			"ended"},
	    {"v_kernel_event", "t_ns,tid,kind,dur_ns,addr,ip"},
	    {"v_loss", "source,t_ns,lost"},
	    {"v_overhead", "slot_ns,plane,events,cost_ns,mode,watched_ns,windows,cpu_ns,watched_cpu_ns,spans,"
			   "watched_spans,all_cost_ns"},
	    {"v_rate", "op,calls,watched_ns,calls_per_s,lo_per_s,hi_per_s"},
	    {"v_counter", "slot_ns,name,value"},
	    {"v_sample", "t_ns,tid,cpu,event,ip,addr,period,weight,level,quality,object_id,site"},
	    {"v_mark", "t_ns,tid,name,detail"},
	    {"v_probe", "op,function,module,allocator,file_offset,skipped_bytes"},
	    {"v_module", "path,build_id,start_addr,end_addr,file_offset,t_ns"},
	    {"v_impact",
		"name,spans,p50_ns,p99_ns,p999_ns,max_ns,alloc_share,fault_share,off_cpu_share,gc_share,"
		"p99_no_fault_ns,p99_no_off_cpu_ns,p99_no_gc_ns,p99_no_alloc_ns"},
	};

	for (size_t i = 0; i < sizeof(promised) / sizeof(*promised); i++) {
		sqlite3_stmt *st = query("SELECT group_concat(name, ',') FROM pragma_table_info(?)");

		sqlite3_bind_text(st, 1, promised[i][0], -1, SQLITE_STATIC);
		cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
		const char *have = (const char *)sqlite3_column_text(st, 0);
		cr_assert(have && !strncmp(have, promised[i][1], strlen(promised[i][1])), "%s: %s",
		    promised[i][0], have ? have : "missing");
		sqlite3_finalize(st);
	}
}

Test(report, every_report_is_valid_json_with_session_and_coverage)
{
	for (const struct mp_report *r = mp_reports; r->name; r++) {
		char *text;

		cr_assert_eq(run_report(r->name, everything, MP_FORMAT_JSON, &text), 0, "%s", err.text);
		cr_assert(json_has(text, "SELECT json_valid(?)"), "%s", text);
		cr_assert(
		    json_has(text, "SELECT group_concat(key, ',') IN ('report,session,rows,coverage',"
				   " 'report,session,tables,coverage', 'report,session,rows,tables,coverage')"
				   " FROM json_each(?)"),
		    "%s", text);
		cr_assert_eq(json(text, "$.session.pid"), 4242);
		cr_assert_eq(json(text, "$.session.duration_ns"), SLOTS * 1e9);
		cr_assert_eq(json(text, "$.coverage.calls_counted"), SLOTS * PER_SLOT);
		cr_assert_eq(json(text, "$.coverage.calls_lost"), 11);
		cr_assert_eq(json(text, "$.coverage.rows_kept"), KEPT);
		cr_assert_eq(json(text, "$.coverage.rows_lost"), 34);
		cr_assert_eq(json(text, "$.coverage.duty"), 1);
		cr_assert_eq(json(text, "$.coverage.floor_ns"), 462);
		free(text);
	}
}

Test(report, every_section_runs_in_every_format)
{
	for (const struct mp_report *r = mp_reports; r->name; r++)
		for (const struct mp_report_section *c = r->section; c->name; c++)
			for (int format = MP_FORMAT_TABLE; format <= MP_FORMAT_CSV; format++) {
				struct mp_report_filter filter = everything;
				char *text;

				filter.table = c->name;
				cr_assert_eq(run_report(r->name, filter, (enum mp_format)format, &text), 0,
				    "%s", err.text);
				cr_assert(!strstr(text, "\x1b"), "escaped");
				free(text);
			}
}

Test(report, summary_agrees_with_v_percentile)
{
	char *text;

	cr_assert_eq(run_report("summary", everything, MP_FORMAT_JSON, &text), 0);
	cr_assert_eq(json(text, "$.rows[0].calls"), calls[0].n);
	cr_assert_eq(
	    json(text, "$.rows[0].p99_ns"), one("SELECT p99_ns FROM v_percentile WHERE op = 'malloc'"));
	cr_assert_eq(
	    json(text, "$.rows[1].p9999_ns"), one("SELECT p9999_ns FROM v_percentile WHERE op = 'free'"));
	cr_assert_eq(json(text, "$.rows[0].bytes"), calls[0].n * 10.0);
	cr_assert_float_eq(json(text, "$.rows[0].calls_per_s"), calls[0].n / (double)SLOTS, 0.1);
	cr_assert(json_has(text,
	    "SELECT group_concat(key, ',') = 'op,calls,calls_per_s,bytes,p50_ns,p90_ns,p99_ns,p999_ns,"
	    "p9999_ns,max_ns' FROM json_each(?, '$.rows[0]')"));
	free(text);
}

Test(report, part_of_the_time_is_rounded_to_seconds)
{
	struct mp_report_filter filter = everything;
	char *text;

	filter.from_ns = 2500000000;
	filter.to_ns = 3200000000;
	cr_assert_eq(run_report("summary", filter, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert_eq(json(text, "$.rows[0].calls") + json(text, "$.rows[1].calls"), 2 * PER_SLOT);
	cr_assert_eq(json(text, "$.coverage.calls_counted"), 2 * PER_SLOT);
	cr_assert_eq(json(text, "$.coverage.from_ns"), 2e9);
	cr_assert_eq(json(text, "$.coverage.to_ns"), 4e9);
	cr_assert_float_eq(json(text, "$.rows[0].calls_per_s"), json(text, "$.rows[0].calls") / 2, 0.1);
	free(text);
	cr_assert_eq(run_report("summary", filter, MP_FORMAT_TABLE, &text), 0);
	cr_assert(strstr(text, "only from 2.000000 s to 4.000000 s of the recording: rounded outwards"), "%s",
	    text);
	free(text);
	filter.from_ns = 2000000000;
	filter.to_ns = 3000000000;
	cr_assert_eq(run_report("summary", filter, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert_eq(json(text, "$.coverage.calls_counted"), PER_SLOT);
	free(text);
}

Test(report, jitter_is_the_spread_of_all_durations)
{
	double sum = 0, square = 0;
	char *text;

	for (int i = 0; i < calls[0].n; i++)
		sum += (double)calls[0].ns[i];
	double mean = sum / calls[0].n;
	for (int i = 0; i < calls[0].n; i++)
		square += ((double)calls[0].ns[i] - mean) * ((double)calls[0].ns[i] - mean);
	double stddev = sqrt(square / calls[0].n);
	cr_assert_eq(run_report("jitter", everything, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert_float_eq(json(text, "$.tables.ops[0].mean_ns"), mean, 0.06);
	cr_assert_float_eq(json(text, "$.tables.ops[0].stddev_ns"), stddev, 0.01 * stddev);
	cr_assert_float_eq(json(text, "$.tables.ops[0].cv"), stddev / mean, 0.01 * stddev / mean);
	cr_assert_eq(json(text, "$.tables.ops[0].p999_ns"),
	    one("SELECT p999_ns FROM v_percentile WHERE op = 'malloc'"));
	cr_assert_eq(json(text, "$.tables.ops[0].worst_t_ns"), SLOW * 1e9);
	cr_assert_eq(
	    json(text, "$.tables.sizes[0].calls") + json(text, "$.tables.sizes[1].calls"), calls[0].n);
	cr_assert_eq(json(text, "$.tables.sizes[2].size_lo_bytes"), -1, "free has no size");
	cr_assert(json_has(text, "SELECT length(json_extract(?1, '$.tables.strip[0].strip')) = 8"
				 " AND substr(json_extract(?1, '$.tables.strip[0].strip'), 6, 1) >= '2'"),
	    "%s", text);
	cr_assert(json_has(text, "SELECT json_array_length(?, '$.tables.seconds') = 16"));
	free(text);
}

Test(report, outliers_are_the_slowest_first)
{
	struct mp_report_filter filter = everything;
	char *text;

	qsort(kept, KEPT, sizeof(*kept), by_duration);
	cr_assert_eq(run_report("outliers", everything, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert(json_has(text, "SELECT json_array_length(?, '$.rows') = 20"));
	for (int i = 0; i < 20; i++) {
		char where[40];

		snprintf(where, sizeof(where), "$.rows[%d].dur_ns", i);
		cr_assert_eq(json(text, where), kept[KEPT - 1 - i].dur_ns);
	}
	cr_assert(
	    json_has(text, "SELECT group_concat(key, ',') = "
			   "'call_id,t_ns,tid,thread,op,size_bytes,dur_ns,cause,explained_share,site,stack'"
			   " FROM json_each(?, '$.rows[0]')"));
	cr_assert(json_has(text, "SELECT count(*) > 0 FROM json_each(?, '$.rows')"
				 " WHERE value ->> 'stack' LIKE '0x100_ < 0x2000'"),
	    "%s", text);
	free(text);

	filter.tid = 101;
	filter.from_ns = 1000000000;
	filter.to_ns = 2000000000;
	filter.limit = 0;
	cr_assert_eq(run_report("outliers", filter, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert(json_has(text, "SELECT count(*) BETWEEN 333 AND 334 AND min(value ->> 'tid') = 101 AND"
				 " max(value ->> 'tid') = 101 AND min(value ->> 't_ns') >= 1000000000 AND"
				 " max(value ->> 't_ns') < 2000000000 FROM json_each(?, '$.rows')"),
	    "%s", text);
	free(text);
}

Test(report, sites_agree_with_v_site)
{
	char *text;

	cr_assert_eq(run_report("sites", everything, MP_FORMAT_JSON, &text), 0, "%s", err.text);
	cr_assert(json_has(text,
	    "SELECT count(*) = 4 AND abs(sum(value ->> 'share') - 1) < 1e-9 FROM json_each(?, '$.rows')"));
	cr_assert(json_has(text,
	    "SELECT count(*) = 4 FROM json_each(?, '$.rows') JOIN v_site v ON v.site = value ->> 'site'"
	    " AND v.calls = value ->> 'calls' AND v.bytes = value ->> 'bytes'"
	    " AND v.p50_ns = value ->> 'p50_ns' AND v.p99_ns = value ->> 'p99_ns'"
	    " AND v.max_ns = value ->> 'max_ns' AND v.time_ns = value ->> 'time_ns'"));
	free(text);
}

static void refuses(const char *name, struct mp_report_filter filter, const char *words)
{
	char *text;

	cr_assert_eq(run_report(name, filter, MP_FORMAT_JSON, &text), -EINVAL);
	cr_assert(strstr(err.text, words), "%s", err.text);
	cr_assert_str_empty(text);
	free(text);
}

Test(report, what_the_data_cannot_answer_is_refused)
{
	struct mp_report_filter f = everything;

	f.tid = 101;
	refuses("summary", f, "count all threads together; outliers and sites take --thread");
	refuses("jitter", f, "count all threads together");
	f.tid = 999;
	refuses("outliers", f, "thread 999 is not in");
	f = everything;
	f.from_ns = 60000000000;
	refuses("outliers", f, "--from 60 is after the end of the recording, which is 8 s long");
	f.from_ns = 2000000000;
	f.to_ns = 1000000000;
	refuses("outliers", f, "--from 2 is not before --to 1");
	f = everything;
	f.table = "nope";
	refuses("jitter", f, "jitter has no table nope: it has ops, percentiles, ");
}

Test(report, unknown_names_are_suggested)
{
	cr_assert_null(mp_report_find("sumary", &err));
	cr_assert(strstr(err.text, "did you mean summary?"), "%s", err.text);
	cr_assert_null(mp_report_find("out", &err));
	cr_assert(strstr(err.text, "did you mean outliers?"), "%s", err.text);
	cr_assert_null(mp_report_find("xyzzy", &err));
	cr_assert_str_eq(err.text, "there is no report xyzzy: there are summary, jitter, outliers, impact, "
				   "sites, heap, cache, pools, gc, session, advice, loss");
}

Test(report, a_table_says_what_it_stands_on)
{
	char *text;

	cr_assert_eq(run_report("loss", everything, MP_FORMAT_TABLE, &text), 0);
	cr_assert_str_eq(text,
	    "session: ./engine \"x\"\\n (pid 4242), 8.00 s; planes uprobe,perf (bpf), probe all; ended: "
	    "duration\n"
	    "\n"
	    "Losses\n"
	    "source  what   lost  intervals  first_t_s  last_t_s\n"
	    "ring    calls    11          1   2.500000  2.500000\n"
	    "ring    rows     34          1   1.500000  1.500000\n"
	    "(calls: missing in every figure; rows: counted, but not kept; events: others, such as stacks, "
	    "markers, page faults)\n"
	    "\n"
	    "coverage: 8,072 calls counted, 11 LOST (0.14 %); 3,001 rows kept, 34 LOST (1.1 %); every call "
	    "probed "
	    "(duty 1.0); floor 462 ns subtracted, which leaves durations uncertain by up to 300 ns\n");
	free(text);
}

Test(report, csv_is_one_table)
{
	char *text;

	cr_assert_eq(run_report("jitter", everything, MP_FORMAT_CSV, &text), 0);
	cr_assert(!strncmp(text, "op,calls,p50_ns,", 16), "%s", text);
	cr_assert_null(strstr(text, "\r\n\r\n"));
	free(text);
}

Test(report_killed, a_recorder_that_did_not_finish_is_said, .init = NULL, .timeout = 60)
{
	char *text;

	record(false);
	cr_assert_eq(run_report("summary", everything, MP_FORMAT_TABLE, &text), 0, "%s", err.text);
	cr_assert(strstr(text, "7.00 s; "), "%s", text);
	cr_assert(strstr(text, "the recorder did not finish"), "%s", text);
	free(text);
	cr_assert_eq(run_report("summary", everything, MP_FORMAT_JSON, &text), 0);
	cr_assert_eq(json(text, "$.session.duration_ns"), 7e9);
	cr_assert_eq(json(text, "$.session.end_reason"), -1);
	free(text);
	teardown();
}

Test(report_killed, an_empty_session_has_reports, .timeout = 60)
{
	int fd = mkstemp(path);

	close(fd);
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0);
	cr_assert_eq(mp_session_publish(s, &err), 0);
	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(mp_session_open(path, &s, &err), 0);
	for (const struct mp_report *r = mp_reports; r->name; r++)
		for (int format = MP_FORMAT_TABLE; format <= MP_FORMAT_CSV; format++) {
			char *text;

			cr_assert_eq(run_report(r->name, everything, (enum mp_format)format, &text), 0, "%s",
			    err.text);
			if (format == MP_FORMAT_JSON)
				cr_assert(json_has(text, "SELECT json_valid(?)"));
			free(text);
		}
	teardown();
}
