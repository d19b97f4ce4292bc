/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/gc/private.h"
#include "analysis/stats/correlation.h"

#define LAGS 11 /* 0 to 10 slots */
/* How far what comes in a row is looked at to be alike by itself. */
#define AUTO_PART 5
#define AUTO_MOST 300

#define TESTS (GC_SERIES_ASKED * (GC_SERIES_COUNT - GC_SERIES_ASKED) * LAGS)

/* What they are called, and what one is told of in steps of. */
static const struct {
	const char *name, *text;
	double step;
} series[GC_SERIES_COUNT] = {
    [GC_PAUSES] = {"pauses", "pauses/s", 1},
    [GC_PAUSED] = {"paused time", "ms of pause a second", 1e6},
    [GC_LENGTH] = {"length of pauses", "ms a pause", 1e6},
    [GC_ALLOCATED] = {"allocation rate", "100 MB/s of allocation", 1e8},
    [GC_LIVE] = {"live set", "100 MB in use after collections", 1e8},
    [GC_PROMOTED] = {"promotion rate", "10 MB/s of promotion", 1e7},
    [GC_RSS] = {"resident memory", "100 MB of resident memory", 1e8},
    [GC_MAJOR_FAULTS] = {"major faults", "100 major faults/s", 100},
    [GC_PSI_MEMORY] = {"memory pressure", "10 ms/s of waiting for memory", 1e7},
    [GC_PSI_CPU] = {"CPU pressure", "10 ms/s of waiting for a CPU", 1e7},
    [GC_SWAP] = {"swap", "100 MB of swap", 1e8},
};

struct test {
	enum gc_series y, x;
	size_t lag;
	struct mp_correlation c;
};

struct relations {
	const struct gc_table *t;
	double *rank[GC_SERIES_COUNT], *alone[GC_SERIES_COUNT]; /* alone: autocorrelations */
	size_t lags;                                            /* of these */
	struct test test[TESTS];
	size_t tests;
	double log_p[TESTS];
};

static int rank_all(struct relations *r)
{
	size_t n = r->t->slots;

	r->lags = n / AUTO_PART < AUTO_MOST ? n / AUTO_PART : AUTO_MOST;
	for (int i = 0; i < GC_SERIES_COUNT; i++) {
		r->rank[i] = malloc((n + 1) * sizeof(**r->rank));
		r->alone[i] = malloc((r->lags + 1) * sizeof(**r->alone));
		if (!r->rank[i] || !r->alone[i] || mp_rank_of(r->t->v[i], n, r->rank[i]))
			return -ENOMEM;
		mp_autocorrelation(r->rank[i], n, r->lags, r->alone[i]);
	}
	return 0;
}

static void test_pair(struct relations *r, enum gc_series y, enum gc_series x)
{
	for (size_t lag = 0; lag < LAGS; lag++) {
		struct test *test = &r->test[r->tests];

		*test = (struct test){.y = y, .x = x, .lag = lag};
		mp_correlate(
		    r->rank[x], r->rank[y], r->t->slots, lag, r->alone[x], r->alone[y], r->lags, &test->c);
		if (!isnan(test->c.rho))
			r->log_p[r->tests++] = test->c.log_p;
	}
}

/* The surest lag of a pair; of two that are as sure, the shorter one. */
static bool is_best(const struct relations *r, const struct test *test)
{
	for (const struct test *other = r->test; other < r->test + r->tests; other++)
		if (other->y == test->y && other->x == test->x &&
		    (other->c.log_p < test->c.log_p ||
			(other->c.log_p == test->c.log_p && other->lag < test->lag)))
			return false;
	return true;
}

static int bind_slope(const struct relations *r, const struct test *test, sqlite3_stmt *stmt)
{
	double step = series[test->x].step / series[test->y].step;
	struct mp_slope slope;

	if (mp_slope_of(r->t->v[test->x], r->t->v[test->y] + test->lag, r->t->slots - test->lag,
		test->c.n_free, &slope))
		return -ENOMEM;
	/* NAN is NULL. */
	sqlite3_bind_double(stmt, 10, slope.slope * step);
	sqlite3_bind_double(stmt, 11, slope.lo * step);
	sqlite3_bind_double(stmt, 12, slope.hi * step);
	return 0;
}

static int put_test(struct gc_work *w, const struct relations *r, size_t i, sqlite3_stmt *stmt)
{
	const struct test *test = &r->test[i];
	bool best = is_best(r, test);

	sqlite3_bind_text(stmt, 1, series[test->y].name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, series[test->x].name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)test->lag);
	sqlite3_bind_int64(stmt, 4, (int64_t)test->c.n);
	sqlite3_bind_double(stmt, 5, test->c.n_free);
	sqlite3_bind_double(stmt, 6, test->c.rho);
	sqlite3_bind_double(stmt, 7, exp(test->c.log_p));
	sqlite3_bind_double(stmt, 8, exp(r->log_p[i]));
	sqlite3_bind_int(stmt, 9, best);
	sqlite3_bind_text(stmt, 13, series[test->x].text, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 14, series[test->y].text, -1, SQLITE_STATIC);
	if (best && bind_slope(r, test, stmt))
		return mp_err_set(w->err, ENOMEM, "out of memory");
	return gc_put(w, stmt);
}

static int put_all(struct gc_work *w, struct relations *r)
{
	sqlite3_stmt *stmt = NULL;
	int rc = gc_prepare(w, "INSERT INTO temp.gc_relation VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &stmt);

	for (size_t i = 0; !rc && i < r->tests; i++)
		rc = put_test(w, r, i, stmt);
	sqlite3_finalize(stmt);
	return rc;
}

int gc_relations_put(struct gc_work *w, const struct gc_table *t)
{
	struct relations *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	if (r) {
		r->t = t;
		rc = rank_all(r);
	}
	for (int y = 0; !rc && y < GC_SERIES_ASKED; y++)
		for (int x = GC_SERIES_ASKED; x < GC_SERIES_COUNT; x++)
			test_pair(r, (enum gc_series)y, (enum gc_series)x);
	if (!rc)
		rc = mp_holm(r->log_p, r->tests);
	rc = rc ? mp_err_set(w->err, ENOMEM, "out of memory") : put_all(w, r);
	for (int i = 0; r && i < GC_SERIES_COUNT; i++) {
		free(r->rank[i]);
		free(r->alone[i]);
	}
	free(r);
	return rc;
}

/* ---- What is used after collections, over time ---- */

#define POINTS_MOST 100000

struct trend {
	sqlite3_stmt *insert;
	char runtime[64], pool[64];
	double *t, *v;
	size_t n;
};

static int put_trend(struct gc_work *w, struct trend *d)
{
	struct mp_slope slope;
	size_t n = d->n;
	double r = 0;

	d->n = 0;
	if (n < MP_CORRELATION_LEAST)
		return 0;
	/* Neighbours are alike: as many are independent as the first autocorrelation of what they leave says.
	 */
	int rc = mp_slope_of(d->t, d->v, n, (double)n, &slope);
	if (!rc && !isnan(slope.slope)) {
		double *rest = malloc(n * sizeof(*rest));

		for (size_t i = 0; rest && i < n; i++)
			rest[i] = d->v[i] - slope.slope * d->t[i];
		if (rest)
			mp_autocorrelation(rest, n, 1, &r);
		free(rest);
		r = fmax(r, 0);
		rc = mp_slope_of(d->t, d->v, n, (double)n * (1 - r) / (1 + r), &slope);
	}
	if (rc)
		return mp_err_set(w->err, ENOMEM, "out of memory");
	sqlite3_bind_text(d->insert, 1, d->runtime, -1, SQLITE_STATIC);
	sqlite3_bind_text(d->insert, 2, d->pool, -1, SQLITE_STATIC);
	sqlite3_bind_int64(d->insert, 3, (int64_t)n);
	sqlite3_bind_double(d->insert, 4, slope.slope);
	sqlite3_bind_double(d->insert, 5, slope.lo);
	sqlite3_bind_double(d->insert, 6, slope.hi);
	return gc_put(w, d->insert);
}

static int take_point(struct gc_work *w, struct trend *d, sqlite3_stmt *stmt)
{
	const char *runtime = (const char *)sqlite3_column_text(stmt, 0);
	const char *pool = (const char *)sqlite3_column_text(stmt, 1);
	char names[2][64];
	int rc = 0;

	snprintf(names[0], sizeof(names[0]), "%s", runtime ? runtime : "");
	snprintf(names[1], sizeof(names[1]), "%s", pool ? pool : "");
	if (strcmp(names[0], d->runtime) != 0 || strcmp(names[1], d->pool) != 0) {
		rc = put_trend(w, d);
		memcpy(d->runtime, names[0], sizeof(d->runtime));
		memcpy(d->pool, names[1], sizeof(d->pool));
	}
	if (d->n < POINTS_MOST) {
		d->t[d->n] = (double)(sqlite3_column_int64(stmt, 2) - w->from_ns) / 1e9;
		d->v[d->n++] = sqlite3_column_double(stmt, 3);
	}
	return rc;
}

static int put_points(struct gc_work *w, struct trend *d)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE,
	    rc = gc_prepare(w,
		"SELECT runtime, pool, t_ns, used_after_bytes FROM gc JOIN gc_pool USING (gc_id)"
		" WHERE used_after_bytes IS NOT NULL AND t_ns >= ?1 AND t_ns < ?2 ORDER BY runtime, pool, "
		"t_ns",
		&stmt);

	if (!rc) {
		sqlite3_bind_int64(stmt, 1, w->from_ns);
		sqlite3_bind_int64(stmt, 2, w->now_ns);
		rc = gc_prepare(w, "INSERT OR REPLACE INTO temp.gc_trend VALUES (?,?,?,?,?,?)", &d->insert);
	}
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		rc = take_point(w, d, stmt);
	if (!rc && step != SQLITE_DONE)
		rc = gc_fail(w);
	sqlite3_finalize(stmt);
	return rc ? rc : put_trend(w, d);
}

int gc_trends_put(struct gc_work *w)
{
	struct trend d = {.t = malloc(POINTS_MOST * sizeof(*d.t)), .v = malloc(POINTS_MOST * sizeof(*d.v))};
	int rc = d.t && d.v ? put_points(w, &d) : mp_err_set(w->err, ENOMEM, "out of memory");

	sqlite3_finalize(d.insert);
	free(d.t);
	free(d.v);
	return rc;
}
