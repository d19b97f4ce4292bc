/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/session/private.h"
#include "analysis/stats/correlation.h"

#define SAMPLES_MAX 1000
#define PARTS_MAX   1025 /* components that rules can make */
#define LOOKS_LEAST 20
#define LEAST_RHO   0.9

struct gauge {
	char *name;
	double *t_ns, *value; /* in the order of time */
	size_t n, room;
	double *live; /* of component p at sample i: [p * n + i] */
	size_t parts;
};

/* ---- Samples ---- */

static int add_sample(struct gauge *g, double t_ns, double value)
{
	if (g->n == g->room) {
		size_t room = g->room ? 2 * g->room : 256;
		double *t = reallocarray(g->t_ns, room, sizeof(*t));
		if (t)
			g->t_ns = t;
		double *v = t ? reallocarray(g->value, room, sizeof(*v)) : NULL;
		if (!v)
			return -ENOMEM;
		g->value = v;
		g->room = room;
	}
	g->t_ns[g->n] = t_ns;
	g->value[g->n++] = value;
	return 0;
}

/* An even part, where there are too many. */
static void thin(struct gauge *g)
{
	size_t each = (g->n + SAMPLES_MAX - 1) / SAMPLES_MAX, n = 0;

	for (size_t i = 0; each > 1 && i < g->n; i += each, n++) {
		g->t_ns[n] = g->t_ns[i];
		g->value[n] = g->value[i];
	}
	if (each > 1)
		g->n = n;
}

static int read_samples(struct filling *f, struct gauge *g)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = 0;

	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT t_ns, value FROM pressure WHERE name = ?1 AND t_ns >= ?2 AND t_ns < ?3 ORDER BY t_ns",
		-1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	sqlite3_bind_text(st, 1, g->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, f->phase[0].start_ns);
	sqlite3_bind_int64(st, 3, f->phase[0].end_ns);
	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW)
		ret = add_sample(g, sqlite3_column_double(st, 0), sqlite3_column_double(st, 1));
	if (!ret && step != SQLITE_DONE)
		ret = session_failed(f);
	sqlite3_finalize(st);
	thin(g);
	return ret == -ENOMEM ? session_no_memory(f) : ret;
}

/* ---- What is alive at them ---- */

struct counting {
	const struct filling *f;
	struct gauge *g;
};

static size_t first_from(const struct gauge *g, double t_ns)
{
	size_t lo = 0, hi = g->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (g->t_ns[mid] < t_ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* born_ns, died_ns, tid, size_bytes, weight, stack_id, scope_id: what it adds, at the first sample that sees
 * it, and takes away. */
static int take_block(void *ctx, sqlite3_value **row)
{
	struct counting *c = ctx;
	struct gauge *g = c->g;
	int64_t size = sqlite3_value_int64(row[3]);
	double bytes = (double)size * sqlite3_value_double(row[4]);
	int64_t part = c->f->components ? mp_component_of(c->f->components, sqlite3_value_int64(row[6]),
					      sqlite3_value_int64(row[5]), size, sqlite3_value_int64(row[2]))
					: 0;
	size_t born = first_from(g, sqlite3_value_double(row[0]));
	size_t died =
	    sqlite3_value_type(row[1]) == SQLITE_NULL ? g->n : first_from(g, sqlite3_value_double(row[1]));

	if (part < 0 || (size_t)part >= g->parts || born >= died)
		return 0;
	g->live[(size_t)part * g->n + born] += bytes;
	if (died < g->n)
		g->live[(size_t)part * g->n + died] -= bytes;
	return 0;
}

static int count_live(struct filling *f, struct gauge *g)
{
	struct counting c = {f, g};

	g->parts = f->components ? mp_components_room(f->components) : 1;
	if (g->parts > PARTS_MAX)
		g->parts = PARTS_MAX;
	g->live = calloc(g->parts * g->n, sizeof(*g->live));
	if (!g->live)
		return session_no_memory(f);
	int ret = mp_each_row(f->session,
	    "SELECT 1 FROM block WHERE mp_take(?4, born_ns, died_ns, tid, size_bytes, weight, stack_id, "
	    "scope_id)",
	    f->scope, take_block, &c, f->err);
	for (size_t p = 0; p < g->parts; p++)
		for (size_t i = 1; i < g->n; i++)
			g->live[p * g->n + i] += g->live[p * g->n + i - 1];
	return ret;
}

/* ---- How they go together ---- */

struct related {
	struct mp_correlation correlation;
	struct mp_slope slope;
};

/*
 * False: they do not, or it cannot be told. Both may do nothing but rise, and each look is then like the one
 * before: how many looks count as independent is what the distances from the line tell, not what lies on it.
 */
static bool relate(const double *value, const double *live, size_t n, struct related *out)
{
	size_t lags = n / 4;
	double *spare = calloc(3 * n + 2 * (lags + 1), sizeof(*spare));
	struct mp_correlation rest;
	bool is_told = false;

	if (!spare)
		return false;
	double *x = spare, *y = x + n, *off = y + n, *x_auto = off + n, *y_auto = x_auto + lags + 1;
	if (mp_rank_of(value, n, x) || mp_rank_of(live, n, y))
		goto out;
	mp_autocorrelation(x, n, lags, x_auto);
	mp_autocorrelation(y, n, lags, y_auto);
	mp_correlate(x, y, n, 0, x_auto, y_auto, lags, &out->correlation);
	if (!(out->correlation.rho >= LEAST_RHO) || mp_slope_of(value, live, n, (double)n, &out->slope))
		goto out;
	for (size_t i = 0; i < n; i++)
		off[i] = live[i] - out->slope.intercept - out->slope.slope * value[i];
	if (mp_rank_of(off, n, y))
		goto out;
	mp_autocorrelation(y, n, lags, y_auto);
	mp_correlate(x, y, n, 0, x_auto, y_auto, lags, &rest);
	is_told = !mp_slope_of(value, live, n, rest.n >= MP_CORRELATION_LEAST ? rest.n_free : (double)n,
		      &out->slope) &&
		  out->slope.lo > 0;
out:
	free(spare);
	return is_told;
}

static int insert_growth(struct filling *f, const struct gauge *g, size_t part, const struct related *r)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"INSERT INTO temp.session_growth VALUES (?,?,?,?,?,?,?,?)", -1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	sqlite3_bind_text(st, 1, g->name + strlen("gauge."), -1, SQLITE_STATIC);
	if (f->components)
		sqlite3_bind_int64(st, 2, (int64_t)part);
	sqlite3_bind_int64(st, 3, (int64_t)g->n);
	sqlite3_bind_double(st, 4, r->correlation.rho);
	sqlite3_bind_double(st, 5, r->slope.slope);
	sqlite3_bind_double(st, 6, r->slope.lo);
	sqlite3_bind_double(st, 7, r->slope.hi);
	sqlite3_bind_double(st, 8, r->slope.intercept);
	int ret = sqlite3_step(st) == SQLITE_DONE ? 0 : session_failed(f);
	sqlite3_finalize(st);
	return ret;
}

static int look_at(struct filling *f, struct gauge *g)
{
	int ret = read_samples(f, g);

	if (!ret && g->n >= LOOKS_LEAST)
		ret = count_live(f, g);
	for (size_t p = 0; !ret && g->live && p < g->parts; p++) {
		struct related r;
		if (relate(g->value, g->live + p * g->n, g->n, &r))
			ret = insert_growth(f, g, p, &r);
	}
	return ret;
}

int session_find_growth(struct filling *f)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = 0;

	if (!f->has_blocks)
		return 0;
	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT DISTINCT name FROM pressure WHERE name LIKE 'gauge._%' ORDER BY 1", -1, &st,
		NULL) != SQLITE_OK)
		return session_failed(f);
	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct gauge g = {.name = strdup((const char *)sqlite3_column_text(st, 0))};
		ret = g.name ? look_at(f, &g) : session_no_memory(f);
		free(g.name);
		free(g.t_ns);
		free(g.value);
		free(g.live);
	}
	if (!ret && step != SQLITE_DONE)
		ret = session_failed(f);
	sqlite3_finalize(st);
	return ret;
}
