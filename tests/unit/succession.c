/* SPDX-License-Identifier: MIT */
#include "analysis/jitter/succession.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/append.h"
#include "store/op.h"

static char path[] = "/tmp/mp-succession-XXXXXX";
static struct mp_session *s;
static struct mp_err err;
static struct mp_succession got;

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

static void setup(void)
{
	close(mkstemp(path));
	cr_assert_eq(mp_session_create(path, true, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_session_publish(s, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	mp_succession_free(&got);
	mp_session_close(s, NULL);
	unlink(path);
}

TestSuite(succession, .init = setup, .fini = teardown, .timeout = 120);

struct row {
	int64_t t_ns, tid, dur_ns;
	uint32_t op, kept, weight;
};

static void append(const struct row *r)
{
	struct mp_call c = {.t_ns = r->t_ns,
	    .tid = r->tid,
	    .op = r->op,
	    .kept = r->kept,
	    .weight = r->weight,
	    .dur_ns = r->dur_ns};

	cr_assert_eq(mp_append_call(s, &c, NULL, &err), 0, "%s", err.text);
}

static void read_rows(int64_t from_ns, int64_t to_ns)
{
	struct mp_report_scope scope = {.from_ns = from_ns, .to_ns = to_ns};

	cr_assert_eq(mp_session_close(s, &err), 0);
	cr_assert_eq(mp_session_open(path, &s, &err), 0, "%s", err.text);
	cr_assert_eq(mp_succession_read(s, &scope, &got, &err), 0, "%s", err.text);
}

static int by_thread_and_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->op != y->op)
		return x->op < y->op ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->t_ns < y->t_ns ? -1 : x->t_ns > y->t_ns;
}

static void swap(struct row *a, struct row *b)
{
	struct row c = *a;

	*a = *b;
	*b = c;
}

/* Everything was kept: neighbours in time, whatever order they are stored in, outliers or not. */
Test(succession, of_all_calls_masd_is_just_that)
{
	enum { N = 20000 };
	static struct row row[N];
	double sum[2] = {0}, n[2] = {0};

	for (int i = 0; i < N; i++) {
		bool is_outlier = next_random(50) == 0;

		row[i] = (struct row){.t_ns = 1000 * i,
		    .tid = 10 + (int64_t)next_random(5),
		    .dur_ns = (int64_t)(is_outlier ? 10000 + next_random(10000) : next_random(300)),
		    .op = next_random(2) ? MP_OP_FREE : MP_OP_MALLOC,
		    .kept = is_outlier ? MP_KEPT_OUTLIER : MP_KEPT_FULL,
		    .weight = 1};
	}
	for (int i = 0; i < N; i++)
		swap(&row[i], &row[next_random(N)]);
	for (int i = 0; i < N; i++)
		append(&row[i]);
	qsort(row, N, sizeof(*row), by_thread_and_time);
	for (int i = 1; i < N; i++)
		if (row[i].tid == row[i - 1].tid && row[i].op == row[i - 1].op) {
			sum[row[i].op == MP_OP_FREE] += fabs((double)(row[i].dur_ns - row[i - 1].dur_ns));
			n[row[i].op == MP_OP_FREE]++;
		}
	read_rows(INT64_MIN, INT64_MAX);
	cr_assert_float_eq(got.masd_ns[MP_OP_MALLOC], sum[0] / n[0], 1e-6);
	cr_assert_float_eq(got.masd_ns[MP_OP_FREE], sum[1] / n[1], 1e-6);
	cr_assert(isnan(got.masd_ns[MP_OP_CALLOC]) && isnan(got.gap_cv[MP_OP_CALLOC]));
}

/*
 * A sample and the outliers of calls that are all known. The figure estimates that of all of them; outliers,
 * one in 200 but 100 times as long, make up half of it: left out or counted as others are, they would show.
 */
Test(succession, of_a_sample_masd_estimates_that_of_all_calls)
{
	enum { N = 1000000, WEIGHT = 64, THREADS = 4 };
	int64_t last[THREADS] = {-1, -1, -1, -1};
	double sum = 0, n = 0, usual = 0, usual_n = 0;

	for (int64_t i = 0; i < N; i++) {
		size_t thread = (size_t)next_random(THREADS);
		bool is_outlier = next_random(200) == 0;
		/* Threads differ: a difference between them is not one of successive calls. */
		int64_t ns = (int64_t)(1000 * thread + next_random(300) + (is_outlier ? 10000 : 0));
		struct row r = {.t_ns = i,
		    .tid = 1 + (int64_t)thread,
		    .dur_ns = ns,
		    .op = MP_OP_MALLOC,
		    .kept = is_outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
		    .weight = is_outlier ? 1 : WEIGHT};

		if (last[thread] >= 0) {
			sum += fabs((double)(ns - last[thread]));
			n++;
			if (!is_outlier && last[thread] < 10000) {
				usual += fabs((double)(ns - last[thread]));
				usual_n++;
			}
		}
		last[thread] = ns;
		if (is_outlier || next_random(WEIGHT) == 0)
			append(&r);
	}
	read_rows(INT64_MIN, INT64_MAX);
	cr_assert_float_eq(got.masd_ns[MP_OP_MALLOC], sum / n, 0.04 * sum / n, "%g, not %g",
	    got.masd_ns[MP_OP_MALLOC], sum / n);
	cr_assert_lt(usual / usual_n, 0.6 * sum / n, "the outliers matter");
}

static void append_outlier(int64_t t_ns, uint32_t op, int64_t tid)
{
	append(&(struct row){t_ns, tid, 50000, op, MP_KEPT_OUTLIER, 1});
}

Test(succession, gaps_of_chance_of_a_beat_and_of_bursts)
{
	enum { N = 20000 };
	double chance = 0;

	for (int i = 0; i < N; i++) {
		/* To all threads together the arrivals belong, not to each. */
		int64_t tid = 1 + (int64_t)next_random(3);

		chance += -log(((double)next_random(1 << 30) + 0.5) / (1 << 30)) * 1e6;
		append_outlier((int64_t)chance, MP_OP_MALLOC, tid);
		append_outlier(10000000LL * i + (int64_t)next_random(10000), MP_OP_CALLOC, tid);
		append_outlier(i / 100 * 1000000000LL + i % 100 * 1000LL, MP_OP_FREE, tid);
		append(&(struct row){i, tid, 10, MP_OP_FREE, MP_KEPT_SAMPLE, 64});
	}
	for (int i = 0; i < 10; i++)
		append_outlier(i, MP_OP_REALLOC, 1);
	read_rows(INT64_MIN, INT64_MAX);
	cr_assert_float_eq(got.gap_cv[MP_OP_MALLOC], 1, 0.03, "%g", got.gap_cv[MP_OP_MALLOC]);
	cr_assert_lt(got.gap_cv[MP_OP_CALLOC], 0.001);
	/* 99 gaps of 1 us to one of a second: the square root of 99. */
	cr_assert_float_eq(got.gap_cv[MP_OP_FREE], sqrt(99), 0.1, "%g", got.gap_cv[MP_OP_FREE]);
	cr_assert(isnan(got.gap_cv[MP_OP_REALLOC]), "9 gaps say nothing");
}

static int by_duration(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->dur_ns < y->dur_ns ? -1 : x->dur_ns > y->dur_ns;
}

/* Each row counts as often as its weight: compared with the sorted rows of the thread. */
Test(succession, threads_are_weighted)
{
	enum { N = 30000 };
	static struct row row[N];

	for (int i = 0; i < N; i++) {
		bool is_outlier = next_random(20) == 0;

		row[i] = (struct row){.t_ns = i,
		    .tid = 1 + (int64_t)next_random(3),
		    .dur_ns = (int64_t)(is_outlier ? 5000 + next_random(100000) : 40 + next_random(200)),
		    .op = MP_OP_MALLOC,
		    .kept = is_outlier ? MP_KEPT_OUTLIER : MP_KEPT_SAMPLE,
		    .weight = is_outlier ? 1 : 1 + (uint32_t)next_random(500)};
		append(&row[i]);
	}
	read_rows(1000, N - 1000);
	qsort(row, N, sizeof(*row), by_duration);
	cr_assert_eq(got.n, 3);
	for (size_t k = 0; k < got.n; k++) {
		const struct mp_succession_thread *t = &got.thread[k];
		struct mp_spread spread = mp_tally_spread(&t->tally);
		int64_t rows = 0, calls = 0, upto = 0, max_ns = 0;
		double sum = 0;
		int next = 0;

		for (int i = 0; i < N; i++) {
			row[i].weight *= row[i].t_ns >= 1000 && row[i].t_ns < N - 1000;
			if (row[i].tid != t->tid || !row[i].weight)
				continue;
			rows++;
			calls += row[i].weight;
			sum += (double)row[i].weight * (double)row[i].dur_ns;
			max_ns = row[i].dur_ns;
		}
		cr_assert_eq(t->rows, rows);
		cr_assert_eq(spread.calls, calls);
		cr_assert_eq(spread.max_ns, max_ns);
		cr_assert_float_eq(spread.mean_ns, sum / (double)calls, 1e-6);
		for (int i = 0; i < N; i++) {
			if (row[i].tid != t->tid)
				continue;
			upto += row[i].weight;
			for (; next < 6 && upto * 100000 >= calls * (100000 - mp_spread_tails[next]);
			     next++) {
				double ns = (double)row[i].dur_ns, is = (double)spread.quantile_ns[next];

				cr_assert_float_eq(is, ns, 0.008 * ns + 1, "%g, not %g", is, ns);
			}
		}
		cr_assert_eq(next, 6);
	}
}

/* More rows than are held at a time, stored up to 300,000 rows late. */
Test(succession, rows_that_come_late_are_put_in_order)
{
	cr_assert_eq(sqlite3_exec(mp_session_db(s),
			 "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1499999)"
			 " INSERT INTO call SELECT NULL, 1000 * (i + i % 7 * 40000), 1, 0, 0, 0, 50000, 1, "
			 "1, NULL, NULL"
			 " FROM n WHERE i % 7 = 0 OR i BETWEEN 300000 AND 1200000",
			 NULL, NULL, NULL),
	    SQLITE_OK, "%s", sqlite3_errmsg(mp_session_db(s)));
	/* What SQLite's own sorting gives. */
	sqlite3_stmt *st = NULL;
	sqlite3_prepare_v2(mp_session_db(s),
	    "SELECT avg(gap), avg(gap * gap) FROM (SELECT t_ns - lag(t_ns) OVER (ORDER BY t_ns) AS gap FROM "
	    "call)",
	    -1, &st, NULL);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	double mean = sqlite3_column_double(st, 0), square = sqlite3_column_double(st, 1);
	sqlite3_finalize(st);
	read_rows(INT64_MIN, INT64_MAX);
	double cv = sqrt(square - mean * mean) / mean;
	cr_assert_float_eq(
	    got.gap_cv[MP_OP_MALLOC], cv, 1e-6 * cv, "%g, not %g", got.gap_cv[MP_OP_MALLOC], cv);
}
