/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/gc/private.h"
#include "analysis/stats/correlation.h"

/* With which classes of objects promotion goes along: of those that are given most memory. */
#define CLASSES 16

/* What is given out is promoted some young collections later. */
#define LAGS 4

/* How far what comes in a row is looked at to be alike by itself, as in relations.c. */
#define AUTO_PART 5
#define AUTO_MOST 300

static const char largest[] =
    "SELECT class_id FROM gc_class WHERE slot_ns >= ?1 AND slot_ns < ?2 GROUP BY class_id"
    " ORDER BY total(bytes) DESC, class_id LIMIT ?3";

/* From the first to the last slot of which any class is told, those without this one are slots with nothing
 * of it. */
static const char given[] =
    "SELECT slot.slot_ns, slot.slot_ns + dur_ns,"
    "  (SELECT total(bytes) FROM gc_class WHERE gc_class.slot_ns = slot.slot_ns AND class_id = ?1) FROM slot"
    " WHERE slot.slot_ns BETWEEN (SELECT min(slot_ns) FROM gc_class) AND (SELECT max(slot_ns) FROM gc_class)"
    "  AND slot.slot_ns BETWEEN 0 AND 2305843009213693952 AND dur_ns BETWEEN 1 AND 2305843009213693952";

struct series {
	double *v, *rank, *alone; /* alone: autocorrelations */
};

struct test {
	size_t nth; /* class */
	size_t lag;
	struct mp_correlation c;
};

struct classes {
	struct gc_work *w;
	struct gc_table *t;
	size_t lags; /* of autocorrelations */
	int64_t id[CLASSES];
	struct series of[CLASSES], promoted; /* promoted.v is the table's */
	size_t n;
	struct test test[CLASSES * LAGS];
	double log_p[CLASSES * LAGS]; /* all tests taken together */
	size_t tests;
};

static int rank_of(const struct classes *c, struct series *s)
{
	size_t n = c->t->slots;

	s->rank = malloc((n + 1) * sizeof(*s->rank));
	s->alone = malloc((c->lags + 1) * sizeof(*s->alone));
	if (!s->rank || !s->alone || mp_rank_of(s->v, n, s->rank))
		return mp_err_set(c->w->err, ENOMEM, "out of memory");
	mp_autocorrelation(s->rank, n, c->lags, s->alone);
	return 0;
}

static int find_largest(struct classes *c)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE, rc = gc_prepare(c->w, largest, &stmt);

	if (!rc) {
		sqlite3_bind_int64(stmt, 1, c->w->from_ns);
		sqlite3_bind_int64(stmt, 2, c->w->now_ns);
		sqlite3_bind_int(stmt, 3, CLASSES);
	}
	while (!rc && c->n < CLASSES && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		c->id[c->n++] = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc || step == SQLITE_DONE || step == SQLITE_ROW ? rc : gc_fail(c->w);
}

static int load(struct classes *c, size_t nth)
{
	struct series *s = &c->of[nth];

	s->v = malloc((c->t->slots + 1) * sizeof(*s->v));
	if (!s->v)
		return mp_err_set(c->w->err, ENOMEM, "out of memory");
	int rc = gc_rate_between(c->w, c->t, given, c->id[nth], s->v);
	return rc ? rc : rank_of(c, s);
}

static void test_class(struct classes *c, size_t nth)
{
	for (size_t lag = 0; lag < LAGS; lag++) {
		struct test *test = &c->test[c->tests];

		*test = (struct test){.nth = nth, .lag = lag};
		mp_correlate(c->of[nth].rank, c->promoted.rank, c->t->slots, lag, c->of[nth].alone,
		    c->promoted.alone, c->lags, &test->c);
		if (!isnan(test->c.rho))
			c->log_p[c->tests++] = test->c.log_p;
	}
}

/* ---- Rows ---- */

/* The surest lag of a class; of two that are as sure, the shorter one. */
static bool is_best(const struct classes *c, const struct test *test)
{
	for (const struct test *other = c->test; other < c->test + c->tests; other++)
		if (other->nth == test->nth &&
		    (other->c.log_p < test->c.log_p ||
			(other->c.log_p == test->c.log_p && other->lag < test->lag)))
			return false;
	return true;
}

static int put_test(struct classes *c, size_t i, sqlite3_stmt *stmt)
{
	const struct test *test = &c->test[i];
	struct mp_slope slope;

	if (mp_slope_of(c->of[test->nth].v, c->promoted.v + test->lag, c->t->slots - test->lag,
		test->c.n_free, &slope))
		return mp_err_set(c->w->err, ENOMEM, "out of memory");
	sqlite3_bind_int64(stmt, 1, c->id[test->nth]);
	sqlite3_bind_int64(stmt, 2, (int64_t)test->lag * c->t->slot_ns);
	sqlite3_bind_int64(stmt, 3, (int64_t)test->c.n);
	sqlite3_bind_double(stmt, 4, test->c.rho);
	sqlite3_bind_double(stmt, 5, exp(c->log_p[i]));
	/* NAN is NULL. */
	sqlite3_bind_double(stmt, 6, slope.slope);
	sqlite3_bind_double(stmt, 7, slope.lo);
	sqlite3_bind_double(stmt, 8, slope.hi);
	return gc_put(c->w, stmt);
}

static int put_tests(struct classes *c)
{
	sqlite3_stmt *stmt = NULL;
	int rc = gc_prepare(c->w, "INSERT INTO temp.gc_class_relation VALUES (?,?,?,?,?,?,?,?)", &stmt);

	for (size_t i = 0; !rc && i < c->tests; i++)
		if (is_best(c, &c->test[i]))
			rc = put_test(c, i, stmt);
	sqlite3_finalize(stmt);
	return rc;
}

static int put_slots(struct gc_work *w, const struct gc_table *t)
{
	sqlite3_stmt *stmt = NULL;
	int rc = gc_prepare(w, "INSERT INTO temp.gc_slot VALUES (?,?,?,?,?)", &stmt);

	for (size_t i = 0; !rc && i < t->slots; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)i);
		sqlite3_bind_int64(stmt, 2, w->from_ns + (int64_t)i * t->slot_ns);
		sqlite3_bind_double(stmt, 3, t->v[GC_PAUSES][i]);
		sqlite3_bind_double(stmt, 4, t->v[GC_ALLOCATED][i]);
		sqlite3_bind_double(stmt, 5, t->v[GC_PROMOTED][i]);
		rc = gc_put(w, stmt);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* ---- The whole ---- */

static int relate(struct classes *c)
{
	int rc = find_largest(c);

	if (rc || !c->n)
		return rc;
	rc = rank_of(c, &c->promoted);
	for (size_t i = 0; !rc && i < c->n; i++) {
		rc = load(c, i);
		if (!rc)
			test_class(c, i);
	}
	if (!rc && mp_holm(c->log_p, c->tests))
		rc = mp_err_set(c->w->err, ENOMEM, "out of memory");
	return rc ? rc : put_tests(c);
}

static void free_series(struct series *s)
{
	free(s->v);
	free(s->rank);
	free(s->alone);
}

int gc_classes_put(struct gc_work *w, struct gc_table *t)
{
	struct classes c = {.w = w, .t = t, .promoted.v = t->v[GC_PROMOTED]};

	c.lags = t->slots / AUTO_PART < AUTO_MOST ? t->slots / AUTO_PART : AUTO_MOST;
	int rc = put_slots(w, t);
	if (!rc && t->slots >= LAGS)
		rc = relate(&c);
	c.promoted.v = NULL;
	free_series(&c.promoted);
	for (size_t i = 0; i < CLASSES; i++)
		free_series(&c.of[i]);
	return rc;
}
