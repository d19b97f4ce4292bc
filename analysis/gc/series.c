/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/gc/private.h"

#define SECOND_NS INT64_C(1000000000)

/* Where amounts are put that belong to a time or to a moment. */
struct filling {
	struct gc_work *w;
	struct gc_table *t;
};

static int64_t slot_of(const struct filling *f, int64_t t_ns)
{
	return t_ns < f->w->from_ns || t_ns >= f->w->now_ns ? -1 : (t_ns - f->w->from_ns) / f->t->slot_ns;
}

static double in_seconds(const struct gc_table *t)
{
	return (double)t->slot_ns / 1e9;
}

static int out_of_memory(const struct gc_work *w)
{
	return mp_err_set(w->err, ENOMEM, "out of memory");
}

static void set_all(struct gc_table *t, enum gc_series which, double value)
{
	for (size_t i = 0; i < t->slots; i++)
		t->v[which][i] = value;
}

/* Adds a rate to the slot of a moment. */
static void add(struct filling *f, enum gc_series which, int64_t t_ns, double amount)
{
	int64_t slot = slot_of(f, t_ns);

	if (slot >= 0 && (size_t)slot < f->t->slots)
		f->t->v[which][slot] += amount / in_seconds(f->t);
}

/* ---- Pauses ---- */

static void add_paused(struct filling *f)
{
	for (size_t i = 0; i < f->w->pauses; i++) {
		int64_t t = f->w->pause[i].from_ns, end = f->w->pause[i].to_ns;

		while (t < end) {
			int64_t slot = slot_of(f, t), next;

			if (slot < 0)
				break;
			next = f->w->from_ns + (slot + 1) * f->t->slot_ns;
			next = next < end ? next : end;
			add(f, GC_PAUSED, t, (double)(next - t));
			t = next;
		}
	}
}

static int add_pauses(struct filling *f)
{
	struct gc_table *t = f->t;
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE, rc = gc_prepare(f->w, "SELECT from_ns, felt_ns FROM temp.gc_pause", &stmt);

	set_all(t, GC_PAUSES, 0);
	set_all(t, GC_PAUSED, 0);
	set_all(t, GC_LENGTH, 0);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t t_ns = sqlite3_column_int64(stmt, 0);

		add(f, GC_PAUSES, t_ns, 1);
		add(f, GC_LENGTH, t_ns, sqlite3_column_double(stmt, 1));
	}
	sqlite3_finalize(stmt);
	for (size_t i = 0; i < t->slots; i++) /* of none: NAN */
		t->v[GC_LENGTH][i] /= t->v[GC_PAUSES][i];
	add_paused(f);
	return rc || step == SQLITE_DONE ? rc : gc_fail(f->w);
}

/* ---- Other things ---- */

/* Pressure is written when it changes. Of what counts on, a row's difference to the one before belongs to its
 * slot, and from the first row on all is known. */
static int add_counted(struct filling *f, enum gc_series which, const char *name)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE,
	    rc = gc_prepare(f->w,
		"SELECT t_ns, value - lag(value) OVER (PARTITION BY name ORDER BY t_ns) FROM pressure"
		" WHERE name GLOB ?1 AND t_ns BETWEEN 0 AND 2305843009213693952 ORDER BY t_ns",
		&stmt);
	bool is_known = false;

	if (!rc)
		sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t t_ns = sqlite3_column_int64(stmt, 0);
		double more = sqlite3_column_double(stmt, 1);

		for (size_t i = 0; !is_known && i < f->t->slots; i++)
			f->t->v[which][i] =
			    f->w->from_ns + (int64_t)i * f->t->slot_ns < t_ns - f->t->slot_ns ? NAN : 0;
		is_known = true;
		add(f, which, t_ns, more > 0 ? more : 0);
	}
	sqlite3_finalize(stmt);
	return rc || step == SQLITE_DONE ? rc : gc_fail(f->w);
}

/* What is so from a moment on, until it is told anew: a slot has what holds at its beginning, before its
 * pauses. */
static int add_state(struct filling *f, enum gc_series which, const char *sql)
{
	struct gc_table *t = f->t;
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE, rc = gc_prepare(f->w, sql, &stmt);
	size_t slot = 0;
	double value = NAN;

	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t t_ns = sqlite3_column_int64(stmt, 0);

		for (; slot < t->slots && f->w->from_ns + (int64_t)slot * t->slot_ns < t_ns; slot++)
			t->v[which][slot] = value;
		value = sqlite3_column_double(stmt, 1);
	}
	for (; slot < t->slots; slot++)
		t->v[which][slot] = value;
	sqlite3_finalize(stmt);
	return rc || step == SQLITE_DONE ? rc : gc_fail(f->w);
}

static bool is_known(const struct gc_table *t, enum gc_series which)
{
	for (size_t i = 0; i < t->slots; i++)
		if (!isnan(t->v[which][i]))
			return true;
	return false;
}

/* What came between two collections, evenly over the time between them. */
static void spread(
    struct filling *f, double *v, double *covered_ns, int64_t from_ns, int64_t to_ns, double amount)
{
	double per_ns = to_ns > from_ns ? amount / (double)(to_ns - from_ns) : 0;
	int64_t t = from_ns > f->w->from_ns ? from_ns : f->w->from_ns;

	while (t < to_ns) {
		int64_t slot = slot_of(f, t), next;

		if (slot < 0 || (size_t)slot >= f->t->slots)
			break;
		next = f->w->from_ns + (slot + 1) * f->t->slot_ns;
		next = next < to_ns ? next : to_ns;
		v[slot] += per_ns * (double)(next - t);
		covered_ns[slot] += (double)(next - t);
		t = next;
	}
}

/* The query, which may have a parameter, gives the moment before, NULL for none, the moment, and what came
 * between them. */
static int spread_all(struct filling *f, const char *sql, int64_t parameter, double *v, double *covered_ns)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE, rc = gc_prepare(f->w, sql, &stmt);

	if (!rc && sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, parameter);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		double amount = sqlite3_column_double(stmt, 2);

		if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
			spread(f, v, covered_ns, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
			    amount > 0 ? amount : 0);
	}
	sqlite3_finalize(stmt);
	return rc || step == SQLITE_DONE ? rc : gc_fail(f->w);
}

int gc_rate_between(struct gc_work *w, struct gc_table *t, const char *sql, int64_t parameter, double *v)
{
	struct filling f = {w, t};
	double *covered_ns = calloc(t->slots + 1, sizeof(*covered_ns));

	if (!covered_ns)
		return out_of_memory(w);
	for (size_t i = 0; i < t->slots; i++)
		v[i] = 0;
	int rc = spread_all(&f, sql, parameter, v, covered_ns);
	for (size_t i = 0; i < t->slots; i++)
		/* Of half a slot there is no telling. */
		v[i] = covered_ns[i] < (double)t->slot_ns / 2 ? NAN : v[i] / (covered_ns[i] / 1e9);
	free(covered_ns);
	return rc;
}

/* A rate that only collections tell. */
static int add_between(struct filling *f, enum gc_series which, const char *sql)
{
	return gc_rate_between(f->w, f->t, sql, 0, f->t->v[which]);
}

static const char since_last[] =
    "SELECT * FROM (SELECT lag(t_ns) OVER (PARTITION BY runtime ORDER BY t_ns), t_ns, bytes_since_last FROM "
    "gc"
    " WHERE bytes_since_last IS NOT NULL) WHERE t_ns BETWEEN 0 AND 2305843009213693952";

/* In pauses that leave the old generation larger than it was. */
static const char promoted[] =
    "SELECT * FROM (SELECT lag(t_ns) OVER (PARTITION BY runtime, pool ORDER BY t_ns), t_ns,"
    "  used_after_bytes - used_before_bytes FROM gc JOIN gc_pool USING (gc_id)"
    " WHERE is_pause AND used_after_bytes IS NOT NULL AND used_before_bytes IS NOT NULL"
    "  AND (pool LIKE '%old%' OR pool LIKE 'tenured%')) WHERE t_ns BETWEEN 0 AND 2305843009213693952";

static int add_memory(struct filling *f)
{
	int rc = add_counted(f, GC_ALLOCATED, "*.allocated_bytes");

	if (!rc && !is_known(f->t, GC_ALLOCATED))
		rc = add_between(f, GC_ALLOCATED, since_last);
	if (!rc)
		rc = add_state(f, GC_LIVE,
		    "SELECT t_ns, value FROM pressure WHERE name = 'go.heap_live_bytes' ORDER BY t_ns");
	if (!rc && !is_known(f->t, GC_LIVE))
		rc = add_state(f, GC_LIVE,
		    "SELECT t_ns, sum(used_after_bytes) FROM gc JOIN gc_pool USING (gc_id)"
		    " WHERE used_after_bytes IS NOT NULL AND (pool = 'heap' OR (pool NOT LIKE 'Metaspace%' "
		    "AND NOT EXISTS"
		    "  (SELECT 1 FROM gc_pool AS h WHERE h.gc_id = gc.gc_id AND h.pool = 'heap')))"
		    " GROUP BY gc_id ORDER BY t_ns");
	return rc ? rc : add_between(f, GC_PROMOTED, promoted);
}

static int add_pressure(struct filling *f)
{
	static const struct {
		enum gc_series which;
		const char *name;
	} counted[] = {{GC_MAJOR_FAULTS, "major_faults"}, {GC_PSI_MEMORY, "psi_memory_some_ns"},
	    {GC_PSI_CPU, "psi_cpu_some_ns"}};
	int rc =
	    add_state(f, GC_RSS, "SELECT t_ns, value FROM pressure WHERE name = 'rss_bytes' ORDER BY t_ns");

	if (!rc)
		rc = add_state(
		    f, GC_SWAP, "SELECT t_ns, value FROM pressure WHERE name = 'swap_bytes' ORDER BY t_ns");
	for (size_t i = 0; !rc && i < sizeof(counted) / sizeof(*counted); i++)
		rc = add_counted(f, counted[i].which, counted[i].name);
	return rc;
}

static int64_t slot_length(int64_t length_ns)
{
	return (length_ns / SECOND_NS / GC_SLOTS_MOST + 1) * SECOND_NS;
}

int gc_table_load(struct gc_work *w, struct gc_table *t)
{
	struct filling f = {w, t};

	t->slot_ns = slot_length(w->now_ns - w->from_ns);
	/* A last piece that is no whole slot would have too little in it. */
	t->slots = (size_t)((w->now_ns - w->from_ns) / t->slot_ns);
	for (int i = 0; i < GC_SERIES_COUNT; i++) {
		t->v[i] = malloc((t->slots + 1) * sizeof(**t->v));
		if (!t->v[i])
			return out_of_memory(w);
		set_all(t, (enum gc_series)i, NAN);
	}
	int rc = add_pauses(&f);
	if (!rc)
		rc = add_memory(&f);
	return rc ? rc : add_pressure(&f);
}

void gc_table_clear(struct gc_table *t)
{
	for (int i = 0; i < GC_SERIES_COUNT; i++)
		free(t->v[i]);
	*t = (struct gc_table){0};
}
