/* SPDX-License-Identifier: MIT */
#include "analysis/impact/impact.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/impact/cost.h"
#include "analysis/report.h"
#include "analysis/stats/omission.h"
#include "analysis/stats/rank.h"
#include "store/append.h"
#include "store/cell.h"

/*
 * Sessions of spans whose every allocation call is known here, while the session has, as recordings have, all
 * outliers, a random sample of the rest, and of each span the exact sums.
 */
#define START_NS 7000000000123LL
#define SITES    5

static char path[] = "/tmp/mp-impact-XXXXXX";
static struct mp_session *s;
static struct mp_err err;
static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int64_t between(int64_t lo, int64_t hi)
{
	return lo + (int64_t)(next_random() % (uint64_t)(hi - lo + 1));
}

static void begin(void)
{
	static const char *const names[SITES] = {
	    "OrderBook::insert", "Feed::parse", "log", "Risk::check", "Gw::send"};
	int fd = mkstemp(path);

	close(fd);
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
	mp_session_set(s, &err, "start_ns", "%lld", START_NS);
	mp_session_set(s, &err, "end_ns", "%lld", START_NS + 1000000000000LL);
	for (int64_t i = 1; i <= SITES; i++) {
		struct mp_stack_row stack = {i, &i, 1, 3, 0};

		cr_assert_eq(mp_append_frame(s, i, 0x1000 + (uint64_t)i, 0, 0, &err), 0);
		cr_assert_eq(mp_append_stack(s, &stack, &err), 0);
		cr_assert_eq(mp_update_site(s, i, names[i - 1], &err), 0);
	}
}

/* From writing to reading. */
static void done(void)
{
	cr_assert_eq(mp_session_close(s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	mp_session_close(s, NULL);
	unlink(path);
}

static int64_t append_call(
    int64_t t_ns, int64_t tid, int64_t dur_ns, int64_t site, enum mp_kept kept, uint32_t weight)
{
	int64_t id;
	struct mp_call c = {.t_ns = t_ns,
	    .tid = tid,
	    .op = MP_OP_MALLOC,
	    .kept = kept,
	    .weight = weight,
	    .size_bytes = 64,
	    .addr = 0x7000,
	    .dur_ns = dur_ns,
	    .stack_id = site};

	cr_assert_eq(mp_append_call(s, &c, &id, &err), 0, "%s", err.text);
	return id;
}

static void append_cause(int64_t call_id, const char *kind, int64_t dur_ns)
{
	struct mp_cause_row c = {call_id, kind, NULL, dur_ns, 1};

	cr_assert_eq(mp_append_cause(s, &c, &err), 0, "%s", err.text);
}

/* Of a thread, its parts not known but for those that are set after. */
static struct mp_span_row span_row(const char *name, int64_t tid, int64_t t_ns, int64_t dur_ns)
{
	return (struct mp_span_row){.name = name,
	    .tid = tid,
	    .t_ns = t_ns,
	    .dur_ns = dur_ns,
	    .alloc_ns = -1,
	    .alloc_calls = -1,
	    .fault_ns = -1,
	    .off_cpu_ns = -1,
	    .gc_ns = -1};
}

static void append_span(struct mp_span_row row)
{
	cr_assert_eq(mp_append_span(s, &row, &err), 0, "%s", err.text);
}

/* ---- Reports ---- */

static const struct mp_report_filter everything = {.from_ns = -1, .to_ns = -1, .limit = 0};
static char *text;

static int report(struct mp_report_filter filter, enum mp_format format)
{
	size_t size = 0;

	free(text);
	FILE *out = open_memstream(&text, &size);
	int rc = mp_report_run(s, mp_report_find("impact", &err), &filter, out, format, &err);
	fclose(out);
	return rc;
}

static void report_json(struct mp_report_filter filter)
{
	cr_assert_eq(report(filter, MP_FORMAT_JSON), 0, "%s", err.text);
}

/* One number, of the document (?1) or of the database; -1 for NULL, -2 for no row. */
static double ask(const char *sql)
{
	sqlite3_stmt *st = NULL;
	double v = -2;

	cr_assert_eq(sqlite3_prepare_v2(mp_session_db(s), sql, -1, &st, NULL), SQLITE_OK, "%s: %s", sql,
	    sqlite3_errmsg(mp_session_db(s)));
	if (text)
		sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	int step = sqlite3_step(st);
	cr_assert(step == SQLITE_ROW || step == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(mp_session_db(s)));
	if (step == SQLITE_ROW)
		v = sqlite3_column_type(st, 0) == SQLITE_NULL ? -1 : sqlite3_column_double(st, 0);
	sqlite3_finalize(st);
	return v;
}

/* A column of the first row of a table of the report that fulfils a condition. */
static double cell(const char *table, const char *column, const char *where)
{
	char sql[400];

	snprintf(sql, sizeof(sql), "SELECT value ->> '%s' FROM json_each(?1, '$.tables.%s') WHERE %s", column,
	    table, where);
	return ask(sql);
}

#define V(name) "value ->> '" name "'"

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct mp_percentiles brute_force(const int64_t *v, size_t n)
{
	int64_t *sorted = malloc((n + 1) * sizeof(*sorted));

	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), by_value);
	struct mp_percentiles p = {sorted[(n * 50 + 99) / 100 - 1], sorted[(n * 90 + 99) / 100 - 1],
	    sorted[(n * 99 + 99) / 100 - 1], sorted[(n * 999 + 999) / 1000 - 1], sorted[n - 1]};
	free(sorted);
	return p;
}

TestSuite(impact, .fini = teardown, .timeout = 120);

/* ---- What if every allocation took what it usually takes ---- */

#define ORDERS    20000
#define PER_ORDER 12    /* at most */
#define LIMIT_NS  54900 /* above it are about 0.1 % of the calls */

static uint32_t every = 64; /* of the others, so many are a sample */

static struct order {
	int64_t work_ns;
	int n;
	struct alloc {
		int64_t natural_ns, delay_ns, site;
	} alloc[PER_ORDER];
} orders[ORDERS];

/* Usual times of sites; the last is slow by nature, and few orders go there. */
static const int64_t usual[SITES] = {60, 90, 150, 900, 48000};

static void make_orders(int delayed_per_mille, int slow_per_mille)
{
	for (int i = 0; i < ORDERS; i++) {
		struct order *o = &orders[i];

		o->work_ns = between(8000, 14000);
		if (next_random() % 100 == 0)
			o->work_ns += between(0, 20000);
		o->n = (int)between(3, PER_ORDER);
		for (int k = 0; k < o->n; k++) {
			struct alloc *a = &o->alloc[k];

			a->site = between(0, SITES - 2);
			if (!k && (int)(next_random() % 1000) < slow_per_mille)
				a->site = SITES - 1;
			a->natural_ns = usual[a->site] + between(-usual[a->site] / 10, usual[a->site] / 10);
			a->delay_ns =
			    (int)(next_random() % 1000) < delayed_per_mille ? between(45000, 55000) : 0;
		}
	}
}

static int64_t order_ns(const struct order *o, bool delayed)
{
	int64_t ns = o->work_ns;

	for (int k = 0; k < o->n; k++)
		ns += o->alloc[k].natural_ns + (delayed ? o->alloc[k].delay_ns : 0);
	return ns;
}

static void record_orders(bool full)
{
	int64_t t_ns = START_NS;

	for (int i = 0; i < ORDERS; i++) {
		const struct order *o = &orders[i];
		struct mp_span_row row = span_row("order", 100 + i % 3, t_ns, order_ns(o, true));
		int64_t at_ns = t_ns + 10;

		row.alloc_ns = 0;
		row.alloc_calls = o->n;
		for (int k = 0; k < o->n; k++) {
			const struct alloc *a = &o->alloc[k];
			int64_t ns = a->natural_ns + a->delay_ns;

			row.alloc_ns += ns;
			if (full)
				append_call(at_ns, row.tid, ns, a->site + 1, MP_KEPT_FULL, 1);
			else if (ns > LIMIT_NS)
				append_call(at_ns, row.tid, ns, a->site + 1, MP_KEPT_OUTLIER, 1);
			else if (next_random() % every == 0)
				append_call(at_ns, row.tid, ns, a->site + 1, MP_KEPT_SAMPLE, every);
			at_ns += ns;
		}
		append_span(row);
		t_ns += row.dur_ns + 1000;
	}
}

static void is_near(const char *what, double actual, double truth, double share)
{
	cr_assert(fabs(actual - truth) <= share * truth, "%s: is %g, should be %g within %g %%", what, actual,
	    truth, share * 100);
}

/* Beyond the p99.9 are 20 orders: from one run to the next it differs by more than p50 and p99 do. */
static void predicts(const struct mp_percentiles *p, double share)
{
	is_near("p50", cell("what_if", "p50_ns", V("kind") " = 'alloc'"), (double)p->p50_ns, share);
	is_near("p99", cell("what_if", "p99_ns", V("kind") " = 'alloc'"), (double)p->p99_ns, share);
	is_near("p99.9", cell("what_if", "p999_ns", V("kind") " = 'alloc'"), (double)p->p999_ns, 3 * share);
}

static struct mp_percentiles percentiles_of_orders(bool delayed)
{
	static int64_t ns[ORDERS];

	for (int i = 0; i < ORDERS; i++)
		ns[i] = order_ns(&orders[i], delayed);
	return brute_force(ns, ORDERS);
}

/* 2 % of the calls are delayed, 0.1 % are kept as outliers: of nearly all delays there is no row. */
Test(impact, without_injected_delays_percentiles_are_those_of_a_run_without)
{
	begin();
	make_orders(20, 0);
	record_orders(false);
	struct mp_percentiles with = percentiles_of_orders(true), without = percentiles_of_orders(false);
	done();
	cr_assert(ask("SELECT count(*) FROM call WHERE kept = 1") < 0.002 * ORDERS * PER_ORDER);
	cr_assert(with.p99_ns > 2 * without.p99_ns, "the delays are the tail");
	report_json(everything);
	cr_assert_eq(cell("spans", "p99_ns", "1"), with.p99_ns);
	predicts(&without, 0.03);
	make_orders(0, 0); /* another run, which has none */
	without = percentiles_of_orders(false);
	predicts(&without, 0.05);
	cr_assert_eq(cell("what_if", "known_spans", V("kind") " = 'alloc'"), ORDERS);
}

/* Few samples, and most likely none of a delayed call: the outliers tell that calls that slow are delayed. */
Test(impact, few_samples_are_enough)
{
	every = 2000;
	begin();
	make_orders(5, 0);
	record_orders(false);
	struct mp_percentiles without = percentiles_of_orders(false);
	done();
	cr_assert(ask("SELECT count(*) FROM call WHERE kept = 2") < 120);
	report_json(everything);
	predicts(&without, 0.05);
}

/* Where calls are slow by nature, as long as the delays of others, what is slow must stay. */
static void slow_stay_slow(int delayed_per_mille)
{
	begin();
	make_orders(delayed_per_mille, 30);
	record_orders(false);
	struct mp_percentiles without = percentiles_of_orders(false);
	done();
	cr_assert(without.p99_ns > 48000);
	report_json(everything);
	predicts(&without, 0.05);
}

Test(impact, sites_that_are_slow_by_nature_stay_slow)
{
	slow_stay_slow(0);
}

/* What part of the calls of that length is delayed, the samples tell: there have to be some hundred of them.
 */
Test(impact, sites_that_are_slow_by_nature_stay_slow_among_delays_of_that_length)
{
	every = 8;
	slow_stay_slow(20);
}

/* The same calls in each span, which are most of its work: nothing may be added by what is not known. */
Test(impact, small_spans_that_always_make_the_same_calls)
{
	begin();
	make_orders(20, 0);
	for (int i = 0; i < ORDERS; i++) {
		struct order *o = &orders[i];

		o->work_ns = between(300, 600);
		o->n = 3;
		for (int k = 0; k < o->n; k++) {
			o->alloc[k].site = k;
			o->alloc[k].natural_ns = usual[k] + between(-usual[k] / 10, usual[k] / 10);
		}
	}
	record_orders(false);
	struct mp_percentiles without = percentiles_of_orders(false);
	done();
	report_json(everything);
	predicts(&without, 0.05);
}

/* The medians of sites and the p99.9 of all calls, by sorting. */
static int64_t medians_of_sites(int64_t median[SITES])
{
	static int64_t group[SITES + 1][ORDERS * PER_ORDER];
	size_t n[SITES + 1] = {0};

	for (int i = 0; i < ORDERS; i++)
		for (int k = 0; k < orders[i].n; k++) {
			const struct alloc *a = &orders[i].alloc[k];
			int64_t ns = a->natural_ns + a->delay_ns;

			group[a->site][n[a->site]++] = ns;
			group[SITES][n[SITES]++] = ns;
		}
	for (int site = 0; site < SITES; site++)
		median[site] = brute_force(group[site], n[site]).p50_ns;
	return brute_force(group[SITES], n[SITES]).p999_ns;
}

Test(impact, of_a_full_recording_it_is_exact)
{
	static int64_t usually[ORDERS], with[ORDERS], without[ORDERS];
	size_t n_with = 0, n_without = 0;
	int64_t median[SITES];

	begin();
	make_orders(20, 30);
	record_orders(true);
	done();
	int64_t limit = medians_of_sites(median);
	for (int i = 0; i < ORDERS; i++) {
		int64_t lost = 0, ns = order_ns(&orders[i], true);
		bool outlier = false;

		for (int k = 0; k < orders[i].n; k++) {
			const struct alloc *a = &orders[i].alloc[k];

			lost += a->natural_ns + a->delay_ns - median[a->site];
			outlier |= a->natural_ns + a->delay_ns >= limit;
		}
		usually[i] = ns - (lost > 0 ? lost : 0);
		*(outlier ? &with[n_with++] : &without[n_without++]) = ns;
	}
	struct mp_percentiles p = brute_force(usually, ORDERS);
	report_json(everything);
	predicts(&p, 0);
	cr_assert_eq(cell("what_if", "max_ns", V("kind") " = 'alloc'"), p.max_ns);
	cr_assert_eq(cell("what_if", "known_spans", V("kind") " = 'alloc'"), ORDERS);
	cr_assert_eq(cell("outliers", "with_spans", "1"), n_with);
	cr_assert_eq(cell("outliers", "with_p99_ns", "1"), brute_force(with, n_with).p99_ns);
	cr_assert_eq(cell("outliers", "without_spans", "1"), n_without);
	cr_assert_eq(cell("outliers", "without_p50_ns", "1"), brute_force(without, n_without).p50_ns);
}

/* Nothing is known of the spans themselves: what their kept calls took beyond the usual is saved, no more. */
Test(impact, where_spans_do_not_know_their_allocations_kept_calls_count)
{
	enum { N = 1000 };
	static int64_t with[N], without[N];

	begin();
	for (int i = 0; i < N; i++) {
		int64_t t_ns = START_NS + i * 1000000LL;

		append_call(t_ns + 10, 100, 80, 1, MP_KEPT_SAMPLE, 64);
		with[i] = without[i] = 5000 + i;
		if (i % 20 == 0) {
			append_call(t_ns + 200, 100, 30080, 1, MP_KEPT_OUTLIER, 1);
			with[i] += 30080;
			without[i] += 80;
		}
		append_span(span_row("order", 100, t_ns, with[i]));
	}
	done();
	report_json(everything);
	struct mp_percentiles p = brute_force(without, N);
	predicts(&p, 0);
	cr_assert_eq(cell("what_if", "known_spans", V("kind") " = 'alloc'"), 0);
	cr_assert_eq(cell("what_if", "shorter_spans", V("kind") " = 'alloc'"), N / 20);
	cr_assert_eq(cell("what_if", "p99_ns", V("kind") " = 'fault'"), -1, "not known is not 0");
	cr_assert_eq(cell("parts", "share", V("part") " = 'alloc'"), -1);
	cr_assert_eq(cell("parts", "known_spans", V("part") " = 'alloc'"), 0);
	cr_assert_eq(cell("outliers", "with_spans", "1"), N / 20);
}

/* ---- Parts, causes, nesting ---- */

#define NESTED 4000

static struct nested {
	int64_t dur_ns, fault_ns, off_cpu_ns, insert_fault_ns, insert_syscall_ns;
} inner[NESTED], outer[NESTED / 4];

/* Four ticks within a batch, all on one thread; another thread at the same time, whose calls are in no span.
 */
static void record_nested(void)
{
	int64_t t_ns = START_NS;

	for (int i = 0; i < NESTED; i++) {
		struct nested *in = &inner[i], *out = &outer[i / 4];
		struct mp_span_row row;

		*in = (struct nested){.dur_ns = between(4000, 9000), .fault_ns = between(0, 300)};
		if (next_random() % 30 == 0) {
			in->insert_fault_ns = between(10000, 30000);
			in->insert_syscall_ns = between(1000, 2000);
			in->fault_ns += in->insert_fault_ns;
			in->dur_ns += in->insert_fault_ns + in->insert_syscall_ns;
			int64_t id = append_call(t_ns + 100, 100,
			    in->insert_fault_ns + in->insert_syscall_ns + 50, 1, MP_KEPT_OUTLIER, 1);
			append_cause(id, "minor_fault", in->insert_fault_ns);
			append_cause(id, "syscall:mmap", in->insert_syscall_ns);
			append_cause(id, "unexplained", 50);
		}
		if (next_random() % 50 == 0) {
			in->off_cpu_ns = between(20000, 90000);
			in->dur_ns += in->off_cpu_ns;
		}
		append_call(t_ns + 60, 101, 60000, 2, MP_KEPT_OUTLIER, 1);
		row = span_row("tick", 100, t_ns, in->dur_ns);
		row.fault_ns = in->fault_ns;
		row.off_cpu_ns = in->off_cpu_ns;
		append_span(row);
		out->dur_ns += in->dur_ns + 700;
		out->fault_ns += in->fault_ns;
		out->off_cpu_ns += in->off_cpu_ns;
		out->insert_fault_ns += in->insert_fault_ns;
		t_ns += in->dur_ns + 700;
		if (i % 4 == 3) {
			row = span_row("batch", 100, t_ns - out->dur_ns, out->dur_ns);
			row.fault_ns = out->fault_ns;
			row.off_cpu_ns = out->off_cpu_ns;
			append_span(row);
		}
	}
}

static void spans_without(const struct nested *v, int n, const char *name)
{
	int64_t *fault = calloc((size_t)n, sizeof(*fault)), *off = calloc((size_t)n, sizeof(*off)),
		*pair = calloc((size_t)n, sizeof(*pair));
	char where[200];

	for (int i = 0; i < n; i++) {
		fault[i] = v[i].dur_ns - v[i].fault_ns;
		off[i] = v[i].dur_ns - v[i].off_cpu_ns;
		pair[i] = v[i].dur_ns - v[i].insert_fault_ns;
	}
	const struct {
		const char *kind;
		const int64_t *ns;
	} truth[] = {{"kind' = 'fault'", fault}, {"kind' = 'off_cpu'", off},
	    {"site' = 'OrderBook::insert' AND value ->> 'kind' = 'minor_fault'", pair}};
	for (size_t i = 0; i < 3; i++) {
		struct mp_percentiles p = brute_force(truth[i].ns, (size_t)n);

		snprintf(where, sizeof(where), V("name") " = '%s' AND value ->> '%s", name, truth[i].kind);
		cr_assert_eq(cell("what_if", "p50_ns", where), p.p50_ns, "%s", where);
		cr_assert_eq(cell("what_if", "p99_ns", where), p.p99_ns, "%s", where);
		cr_assert_eq(cell("what_if", "p999_ns", where), p.p999_ns, "%s", where);
		cr_assert_eq(cell("what_if", "max_ns", where), p.max_ns, "%s", where);
	}
	free(fault);
	free(off);
	free(pair);
}

Test(impact, spans_without_faults_without_time_off_the_cpu_without_one_cause_at_one_site)
{
	begin();
	record_nested();
	done();
	report_json(everything);
	spans_without(inner, NESTED, "tick");
	spans_without(outer, NESTED / 4, "batch");
	cr_assert_eq(
	    cell("what_if", "p50_ns", V("site") " = 'Feed::parse'"), -2, "no row: a call of another thread");
	cr_assert_eq(
	    ask("SELECT count(*) FROM json_each(?1, '$.tables.what_if') WHERE value ->> 'kind' = 'gc' AND"
		" value ->> 'p99_ns' IS NULL"),
	    2);
}

Test(impact, the_view_says_the_same)
{
	begin();
	record_nested();
	done();
	report_json(everything);
	cr_assert_eq(ask("SELECT count(*) FROM v_impact"), 2);
	cr_assert_eq(
	    ask("SELECT count(*) FROM v_impact v JOIN json_each(?1, '$.tables.spans') r ON v.name = r.value "
		"->> 'name'"
		" AND v.spans = r.value ->> 'spans' AND v.p50_ns = r.value ->> 'p50_ns'"
		" AND v.p99_ns = r.value ->> 'p99_ns' AND v.p999_ns = r.value ->> 'p999_ns'"
		" AND v.max_ns = r.value ->> 'max_ns' AND v.alloc_share IS NULL AND v.p99_no_alloc_ns IS NULL"
		" AND v.gc_share IS NULL AND v.p99_no_gc_ns IS NULL"),
	    2);
	cr_assert_eq(
	    ask("SELECT count(*) FROM v_impact v JOIN json_each(?1, '$.tables.what_if') r ON v.name = "
		"r.value ->> 'name'"
		" AND r.value ->> 'p99_ns' = CASE r.value ->> 'kind' WHEN 'fault' THEN p99_no_fault_ns"
		" WHEN 'off_cpu' THEN p99_no_off_cpu_ns END AND r.value ->> 'site' IS NULL"),
	    4);
	cr_assert_eq(
	    ask("SELECT count(*) FROM v_impact v JOIN json_each(?1, '$.tables.parts') r ON v.name = r.value "
		"->> 'name'"
		" AND abs(r.value ->> 'share' - CASE r.value ->> 'part' WHEN 'fault' THEN fault_share"
		" WHEN 'off_cpu' THEN off_cpu_share END) < 1e-9"),
	    4);
}

Test(impact, sentences_name_what_would_help)
{
	struct mp_report_filter filter = everything;
	char sentence[200], was[MP_CELL_NUMBER], would[MP_CELL_NUMBER];
	int64_t ns[NESTED], less[NESTED];

	begin();
	record_nested();
	done();
	for (int i = 0; i < NESTED; i++) {
		ns[i] = inner[i].dur_ns;
		less[i] = inner[i].dur_ns - inner[i].off_cpu_ns;
	}
	mp_cell_int(MP_UNIT_DURATION, brute_force(ns, NESTED).p99_ns, was);
	mp_cell_int(MP_UNIT_DURATION, brute_force(less, NESTED).p99_ns, would);
	snprintf(sentence, sizeof(sentence),
	    "\ntick p99 would be %s instead of %s without time off the CPU\n", would, was);
	filter.table = "sentences";
	cr_assert_eq(report(filter, MP_FORMAT_TABLE), 0, "%s", err.text);
	cr_assert(strstr(text, sentence), "%s is not in %s", sentence, text);
	cr_assert(strstr(text, "without minor_fault at OrderBook::insert"), "%s", text);
}

Test(impact, part_of_the_time_and_one_thread)
{
	struct mp_report_filter filter = everything;

	begin();
	for (int i = 0; i < 10; i++) {
		append_span(span_row("a", 100, START_NS + i * 1000000000LL, 1000 + i));
		append_span(span_row("a", 200, START_NS + i * 1000000000LL, 2000 + i));
		cr_assert_eq(mp_append_thread(s, 100 * (1 + i % 2), "t", START_NS, NULL, &err), 0);
	}
	done();
	filter.from_ns = 2000000000;
	filter.to_ns = 5000000000;
	filter.tid = 200;
	report_json(filter);
	cr_assert_eq(cell("spans", "spans", "1"), 3);
	cr_assert_eq(cell("spans", "p50_ns", "1"), 2003);
	cr_assert_eq(cell("spans", "max_ns", "1"), 2004);
}

Test(impact, a_session_without_spans_says_how_to_get_some)
{
	begin();
	done();
	cr_assert_eq(report(everything, MP_FORMAT_TABLE), 0, "%s", err.text);
	cr_assert(strstr(text, "no spans: mark them in the program (MPSAMPLE_SPAN_BEGIN)"), "%s", text);
	cr_assert_null(strstr(text, "coordinated"), "what was not asked for is not shown: %s", text);
	cr_assert_null(strstr(text, "lateness"), "%s", text);
}

/* ---- What lateness costs ---- */

/*
 * Median 10 us. Late are: one by 20 us, of which a fault in a call took 5 and its lock wait 10; one by 40 us,
 * of which faults outside calls took 10, and time off the CPU 20 and more in a lock wait in a call: 8.
 */
static void record_late(void)
{
	struct mp_span_row row;
	int64_t id;

	for (int i = 0; i < 5; i++)
		append_span(span_row("order", 100, START_NS + i * 1000000, 10000));
	append_span(span_row("order", 100, START_NS + 5000000, 30000));
	id = append_call(START_NS + 5000100, 100, 15100, 1, MP_KEPT_OUTLIER, 1);
	append_cause(id, "minor_fault", 5000);
	append_cause(id, "lock", 10000);
	append_cause(id, "unexplained", 100);
	row = span_row("order", 100, START_NS + 6000000, 50000);
	row.fault_ns = 10000;
	row.off_cpu_ns = 28000;
	append_span(row);
	id = append_call(START_NS + 6000100, 100, 8000, 2, MP_KEPT_OUTLIER, 1);
	append_cause(id, "lock", 8000);
	for (int i = 0; i < 5; i++) /* what is usual */
		append_call(START_NS + 9000000 + i, 100, 200, 1 + i % 2, MP_KEPT_SAMPLE, 64);
}

static void lost(const char *kind, const char *site, double cost)
{
	char where[200];

	snprintf(where, sizeof(where), V("kind") " = '%s' AND value ->> 'site' = '%s'", kind, site);
	double v = cell("loss", "cost", where);
	cr_assert(fabs(v - cost) < 1e-6, "%s at %s: %g, should be %g", kind, site, v, cost);
}

Test(impact, the_loss_is_divided_among_causes)
{
	struct mp_report_filter filter = everything;

	begin();
	record_late();
	done();
	cr_assert_eq(mp_cost_parse("2", &filter.impact.cost, &err), 0, "%s", err.text);
	report_json(filter);
	cr_assert_eq(ask("SELECT count(*) FROM json_each(?1, '$.tables.loss')"), 6, "%s", text);
	cr_assert_float_eq(
	    ask("SELECT sum(value ->> 'cost') FROM json_each(?1, '$.tables.loss')"), 2 * (20 + 40), 1e-6);
	cr_assert_float_eq(ask("SELECT sum(value ->> 'share') FROM json_each(?1, '$.tables.loss')"), 1, 1e-9);
	lost("minor_fault", "OrderBook::insert", 2 * 5);
	lost("lock", "OrderBook::insert", 2 * 10);
	lost("lock", "Feed::parse", 2 * 8);
	lost("fault", "[outside kept calls]", 2 * 10);
	lost("off_cpu", "[outside kept calls]", 2 * 20);
	/* 20 - 15 of the first, 40 - 38 of the second; the call's own 100 ns are usual. */
	lost("unexplained", "[outside kept calls]", 2 * (5 + 2));
	mp_cost_free(filter.impact.cost);
}

/* Causes that took more than the span was late: it was slow in its usual ways, too. */
Test(impact, no_more_than_the_lateness_is_divided)
{
	struct mp_report_filter filter = everything;
	struct mp_span_row row;

	begin();
	for (int i = 0; i < 5; i++)
		append_span(span_row("order", 100, START_NS + i * 1000000, 10000));
	row = span_row("order", 100, START_NS + 6000000, 12000);
	row.fault_ns = 6000;
	row.gc_ns = 2000;
	append_span(row);
	done();
	cr_assert_eq(mp_cost_parse("1", &filter.impact.cost, &err), 0, "%s", err.text);
	report_json(filter);
	cr_assert_eq(ask("SELECT count(*) FROM json_each(?1, '$.tables.loss')"), 2);
	lost("fault", "[outside kept calls]", 1.5);
	lost("gc", "[outside kept calls]", 0.5);
	mp_cost_free(filter.impact.cost);
}

static void write_file(const char *name, const char *content)
{
	FILE *f = fopen(name, "w");

	cr_assert(f);
	fputs(content, f);
	fclose(f);
}

static char curve[] = "/tmp/mp-curve-XXXXXX";

Test(cost, is_linear_or_a_curve)
{
	struct mp_cost *c;

	close(mkstemp(curve));
	cr_assert_eq(mp_cost_parse("0.8", &c, &err), 0);
	cr_assert_float_eq(mp_cost_of(c, 2500), 2, 1e-12);
	cr_assert_eq(mp_cost_of(c, 0), 0);
	cr_assert_eq(mp_cost_of(c, -5000), 0);
	mp_cost_free(c);
	write_file(curve, "lateness_us,cost\n# slow\n5,0\n\n10, 50\r\n100,50\n110,40");
	cr_assert_eq(mp_cost_parse(curve, &c, &err), 0, "%s", err.text);
	static const double expected[][2] = {
	    {3, 0}, {5, 0}, {6, 10}, {10, 50}, {55, 50}, {100, 50}, {105, 45}, {130, 20}, {1000, 0}};
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		cr_assert_float_eq(mp_cost_of(c, (int64_t)(expected[i][0] * 1000)), expected[i][1], 1e-9,
		    "%g us", expected[i][0]);
	mp_cost_free(c);
	write_file(curve, "0,7\n"); /* late is late */
	cr_assert_eq(mp_cost_parse(curve, &c, &err), 0, "%s", err.text);
	cr_assert_eq(mp_cost_of(c, 1), 7);
	cr_assert_eq(mp_cost_of(c, 0), 0);
	mp_cost_free(c);
	unlink(curve);
}

Test(cost, what_is_no_curve_is_refused)
{
	static const char *const bad[][2] = {{"", "no point"}, {"lateness_us,cost\n", "no point"},
	    {"5,1\n5,2\n", ":2: a lateness of 5 us is not above"}, {"5,1\n4,2\n", ":2:"},
	    {"0,1\n0,2\n", ":2:"}, {"5\n", ":1: give lateness_us,cost"}, {"5,1,2\n", ":1:"}, {"a,b\n", ":1:"},
	    {"5,nan\n", ":1:"}, {"inf,5\n", ":1:"}, {"1,1e999\n", ":1:"}, {"-1,5\n", ":1:"},
	    {"1,-5\n", ":1:"}, {"0x10,5\n", ":1:"}, {"1;5\n", ":1:"}, {",\n", ":1:"}};
	static char line[400];
	struct mp_cost *c;

	close(mkstemp(curve));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_file(curve, bad[i][0]);
		cr_assert_eq(mp_cost_parse(curve, &c, &err), -EINVAL, "%s", bad[i][0]);
		cr_assert(strstr(err.text, bad[i][1]), "%s: %s", bad[i][0], err.text);
	}
	memset(line, '1', sizeof(line) - 1);
	write_file(curve, line);
	cr_assert_eq(mp_cost_parse(curve, &c, &err), -EINVAL);
	cr_assert(strstr(err.text, "too long"), "%s", err.text);
	unlink(curve);
	cr_assert_eq(mp_cost_parse("/nowhere/curve.csv", &c, &err), -ENOENT);
	cr_assert_eq(mp_cost_parse("1x", &c, &err), -ENOENT);
	cr_assert_eq(mp_cost_parse("-1", &c, &err), -ENOENT);
	cr_assert_eq(mp_cost_parse("nan", &c, &err), -ENOENT);
	cr_assert_eq(mp_cost_parse("", &c, &err), -ENOENT);
	cr_assert_eq(mp_cost_parse("/tmp", &c, &err), -EISDIR);
}

/* ---- Coordinated omission ---- */

/* HdrHistogram's recordValueWithExpectedInterval(), on a list. */
static size_t with_missing(const int64_t *ns, size_t n, int64_t interval, int64_t *out)
{
	size_t all = 0;

	for (size_t i = 0; i < n; i++) {
		out[all++] = ns[i];
		if (ns[i] <= interval)
			continue;
		for (int64_t missing = ns[i] - interval; missing >= interval; missing -= interval)
			out[all++] = missing;
	}
	return all;
}

Test(omission, percentiles_are_those_of_the_list_with_the_missing)
{
	enum { N = 2000 };
	static const int64_t intervals[] = {1, 50, 333, 1000, 4999, 100000, 1000000};
	int64_t ns[N], copy[N], *all = malloc(20000000 * sizeof(*all));

	for (int i = 0; i < N; i++)
		ns[i] = next_random() % 100 ? between(0, 1500) : between(0, 400000);
	ns[7] = 4999;
	ns[8] = 9998;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++) {
		size_t n = with_missing(ns, N, intervals[i], all);
		struct mp_percentiles p = brute_force(all, n), q;
		double count;

		memcpy(copy, ns, sizeof(ns));
		mp_omission_correct(copy, N, intervals[i], &q, &count);
		cr_assert_eq(count, n, "interval %ld", (long)intervals[i]);
		cr_assert(!memcmp(&p, &q, sizeof(p)), "interval %ld: p50 %ld %ld p99 %ld %ld",
		    (long)intervals[i], (long)p.p50_ns, (long)q.p50_ns, (long)p.p99_ns, (long)q.p99_ns);
	}
	free(all);
}

Test(impact, spans_with_an_interval_are_shown_raw_and_corrected)
{
	enum { N = 500 };
	struct mp_report_filter filter = everything;
	int64_t ns[N], all[100 * N];

	begin();
	for (int i = 0; i < N; i++) {
		ns[i] = i % 50 ? between(1000, 3000) : between(100000, 200000);
		append_span(span_row("a=b", 100, START_NS + i * 1000000, ns[i]));
		append_span(span_row("other", 100, START_NS + i * 1000000, 5));
	}
	done();
	cr_assert_eq(mp_impact_add_interval(&filter.impact, "a=b=5.5", &err), 0, "%s", err.text);
	report_json(filter);
	size_t n = with_missing(ns, N, 5500, all);
	cr_assert_eq(ask("SELECT count(*) FROM json_each(?1, '$.tables.corrected')"), 2);
	cr_assert_eq(cell("corrected", "p99_ns", V("percentiles") " = 'raw'"), brute_force(ns, N).p99_ns);
	cr_assert_eq(
	    cell("corrected", "p99_ns", V("percentiles") " = 'corrected'"), brute_force(all, n).p99_ns);
	cr_assert_eq(cell("corrected", "spans", V("percentiles") " = 'corrected'"), n);
	cr_assert_eq(cell("corrected", "interval_ns", "1"), 5500);
	filter.impact.intervals = 0;
	cr_assert_eq(mp_impact_add_interval(&filter.impact, "nope=5", &err), 0);
	cr_assert_eq(report(filter, MP_FORMAT_JSON), -EINVAL);
	cr_assert(strstr(err.text, "--interval nope: no span has that name: there are "), "%s", err.text);
	cr_assert_str_empty(text);
}

Test(omission, intervals_that_are_none_are_refused)
{
	static const char *const bad[] = {"", "x", "=5", "x=", "x=0", "x=-1", "x=nan", "x=inf", "x=0x10",
	    "x=1us", "x=1e30", "x= 5", "x=0.0001"};
	struct mp_impact_options o = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(mp_impact_add_interval(&o, bad[i], &err), -EINVAL, "%s", bad[i]);
	cr_assert_eq(mp_impact_add_interval(&o, "x=5", &err), 0);
	cr_assert_eq(mp_impact_add_interval(&o, "x=6", &err), -EINVAL, "twice");
	cr_assert_eq(mp_impact_add_interval(&o, "xy=6", &err), 0);
	cr_assert_eq(o.intervals, 2);
}

/* ---- Ranks ---- */

Test(rank, is_what_sorting_gives)
{
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)between(1, round < 200 ? 40 : 3000);
		int64_t top = round % 3 ? between(0, 10) : INT64_MAX / 2;
		int64_t *v = malloc(n * sizeof(*v)), *sorted = malloc(n * sizeof(*sorted));
		struct mp_percentiles p, q;

		for (size_t i = 0; i < n; i++)
			sorted[i] = v[i] = between(0, top);
		qsort(sorted, n, sizeof(*sorted), by_value);
		size_t k = (size_t)between(0, (int64_t)n - 1);
		cr_assert_eq(mp_rank_select(v, 0, n, k), sorted[k]);
		p = brute_force(v, n);
		mp_percentiles_of(v, n, &q);
		cr_assert(!memcmp(&p, &q, sizeof(p)), "round %d", round);
		free(v);
		free(sorted);
	}
}

Test(rank, the_weighted_median_is_that_of_the_list_written_out)
{
	for (int round = 0; round < 300; round++) {
		enum { N = 30 };
		struct mp_weighted v[N];
		int64_t list[N * 20];
		size_t n = 0;

		for (int i = 0; i < N; i++) {
			v[i] = (struct mp_weighted){between(0, round % 50), (uint32_t)between(0, 20)};
			for (uint32_t k = 0; k < v[i].weight; k++)
				list[n++] = v[i].value;
		}
		if (n)
			cr_assert_eq(mp_weighted_median(v, N), brute_force(list, n).p50_ns);
	}
	cr_assert_eq(mp_weighted_median(NULL, 0), 0);
}

/* ---- Files that mean harm ---- */

static void exec(sqlite3 *db, const char *sql)
{
	char *error = NULL;

	cr_assert_eq(
	    sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK, "%s: %s", sql, error ? error : "?");
}

/* The tables lose their rules, then get numbers that no recorder writes. */
static void record_nonsense(void)
{
	static const char *const numbers[] = {
	    "NULL", "-1", "0", "1", "9223372036854775807", "-9223372036854775808", "'x'", "1e300"};
	sqlite3 *db = NULL;
	char sql[400];

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	exec(db, "DROP TABLE span; DROP TABLE call; DROP TABLE cause; BEGIN;"
		 "CREATE TABLE span (span_id INTEGER PRIMARY KEY, name, id, tid, t_ns, dur_ns, alloc_ns, "
		 "alloc_calls,"
		 " fault_ns, off_cpu_ns, gc_ns);"
		 "CREATE TABLE call (call_id INTEGER PRIMARY KEY, t_ns, tid, op_id, size_bytes, addr, "
		 "dur_ns, kept, weight,"
		 " stack_id);"
		 "CREATE TABLE cause (call_id, kind, dur_ns, n, detail)");
	for (int i = 0; i < 20000; i++) {
		const char *n[8];

		for (int k = 0; k < 8; k++)
			n[k] = numbers[next_random() % (k < 2 ? 6 : 8)];
		snprintf(sql, sizeof(sql),
		    "INSERT INTO span VALUES (NULL, %s, 1, %s, %s, %s, %s, %s, %s, %s, %s)",
		    i % 7 ? "'name' || (random() % 400)" : n[7], n[0], n[1], n[2], n[3], n[4], n[5], n[6],
		    n[7]);
		exec(db, sql);
		for (int k = 0; k < 8; k++)
			n[k] = numbers[next_random() % 8];
		snprintf(sql, sizeof(sql), "INSERT INTO call VALUES (NULL, %s, %s, %s, 0, 0, %s, %s, %s, %s)",
		    n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
		exec(db, sql);
		snprintf(sql, sizeof(sql),
		    "INSERT INTO cause VALUES (%s, %s, %s, 1, NULL), (%d, 'kind' || (random() %% 100), %s, "
		    "1, NULL)",
		    n[7], n[6], n[5], i, n[4]);
		exec(db, sql);
	}
	exec(db, "COMMIT");
	sqlite3_close(db);
}

Test(impact, numbers_that_make_no_sense_do_no_harm)
{
	struct mp_report_filter filter = everything;

	begin();
	cr_assert_eq(mp_session_close(s, &err), 0);
	record_nonsense();
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_cost_parse("1e15", &filter.impact.cost, &err), 0);
	cr_assert_eq(mp_impact_add_interval(&filter.impact, "[other names]=0.001", &err), 0);
	report_json(filter);
	cr_assert_eq(ask("SELECT json_valid(?1)"), 1);
	cr_assert_eq(ask("SELECT count(*) FROM json_each(?1, '$.tables.spans')"), 256);
	cr_assert_eq(cell("spans", "max_ns", V("name") " = '[other names]'"), 1LL << 45);
	cr_assert_eq(report(filter, MP_FORMAT_TABLE), 0, "%s", err.text);
	cr_assert_gt(ask("SELECT count(*) FROM v_impact"), 256);
	mp_cost_free(filter.impact.cost);
}

/* All spans hold all calls: looking at each of each would take minutes. */
Test(impact, spans_that_all_hold_the_same_calls_are_not_all_looked_into)
{
	begin();
	for (int i = 0; i < 40000; i++) {
		append_call(START_NS + 1000000 + i, 100, 50, 1, MP_KEPT_SAMPLE, 64);
		append_span(span_row("long", 100, START_NS + i, 1000000000));
	}
	done();
	cr_assert_eq(report(everything, MP_FORMAT_TABLE), 0, "%s", err.text);
	cr_assert(strstr(text, " spans lie over so many others that their kept calls were not looked at"),
	    "%s", text);
}
