/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "analysis/forecast/backtest.h"
#include "analysis/forecast/forecast.h"
#include "analysis/forecast/sizing.h"
#include "analysis/pools/private.h"
#include "store/embed.h"

/* What the advice of a whole recording looks at: the fullest. */
#define JUDGED 10

/* A backtest asks what followed within such a part of the recording, however far the forecast itself looks.
 */
#define BACKTEST_PARTS 10

enum { STRIP, STEP, QUANTILE, FORECAST, PHASE, BACKTEST, SIZING, TABLES };

static const char *const insert[TABLES] = {
    [STRIP] = "INSERT INTO temp.pool_strip VALUES (?,?,?,?,?,?,?)",
    [STEP] = "INSERT INTO temp.pool_step VALUES (?,?,?,?,?,?,?,?,?,?)",
    [QUANTILE] = "INSERT INTO temp.pool_quantile VALUES (?,?,?,?,?)",
    [FORECAST] = "INSERT INTO temp.pool_forecast VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PHASE] = "INSERT INTO temp.pool_forecast_phase VALUES (?,?,?,?,?,?,?)",
    [BACKTEST] = "INSERT INTO temp.pool_backtest VALUES (?,?,?,?,?,?,?,?,?)",
    [SIZING] = "INSERT INTO temp.pool_sizing VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
};

struct work {
	struct mp_session *s;
	const struct mp_report_scope *scope;
	struct mp_err *err;
	sqlite3_stmt *insert[TABLES];
	struct pool_phases phases;
	struct pool_series series;
	int64_t from_ns, now_ns, horizon_ns;
	double risk;
	bool is_single; /* --pool: the depth of it, too */
};

static int fail(struct work *w)
{
	return mp_err_set(
	    w->err, EIO, "cannot analyse %s: %s", mp_session_path(w->s), sqlite3_errmsg(mp_session_db(w->s)));
}

/* A row of integers, then of numbers, of which NAN is NULL. */
static int put(struct work *w, int table, const int64_t *whole, int wholes, const double *real, int reals)
{
	sqlite3_stmt *stmt = w->insert[table];

	for (int i = 0; i < wholes; i++)
		sqlite3_bind_int64(stmt, i + 1, whole[i]);
	for (int i = 0; i < reals; i++)
		sqlite3_bind_double(stmt, wholes + i + 1, real[i]);
	int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(w);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

#define COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))

/* ---- One pool ---- */

static int put_strip(struct work *w, int64_t pool_id)
{
	const struct pool_series *p = &w->series;
	struct pool_strip strip;
	int rc;

	pool_strip_make(p, w->from_ns, w->now_ns, &strip);
	const int64_t whole[] = {pool_id, p->in_use, -p->least,
	    p->is_known ? p->course.to_ns - p->course.from_ns : 0, strip.step_ns};
	sqlite3_bind_text(w->insert[STRIP], COUNT(whole) + 1, strip.text, -1, SQLITE_STATIC);
	sqlite3_bind_int(w->insert[STRIP], COUNT(whole) + 2, p->is_heap);
	rc = put(w, STRIP, whole, COUNT(whole), NULL, 0);
	for (int i = 0; !rc && w->is_single && !p->is_heap && i < strip.n; i++) {
		const struct pool_step *step = &strip.step[i];
		int64_t t_ns = strip.from_ns + i * strip.step_ns;
		int64_t left_ns = w->now_ns - t_ns;
		const int64_t row[] = {pool_id, i, t_ns, left_ns < strip.step_ns ? left_ns : strip.step_ns,
		    step->min + p->least, step->max + p->least, step->last + p->least, step->gets, step->puts,
		    step->failures};

		if (step->is_watched)
			rc = put(w, STEP, row, COUNT(row), NULL, 0);
	}
	return rc;
}

/* Times that are not in sight are NULL, as is what is not a number. */
static double sight(int64_t t_ns)
{
	return t_ns == MP_FORECAST_NEVER ? NAN : (double)t_ns;
}

static int put_phases(struct work *w, int64_t pool_id, const struct mp_forecast *f)
{
	int rc = 0;

	for (size_t i = 0; !rc && w->is_single && i < f->phases; i++) {
		const struct mp_forecast_phase *p = &f->phase[i];
		const double real[] = {(double)p->next.start_ns,
		    p->next.end_ns == INT64_MAX ? NAN : (double)p->next.end_ns, p->p_exhaust, p->max_p50,
		    p->max_p90};

		/* Of the phase that is on, a rest of less than a thousandth is none. */
		int64_t rest_ns = p->next.end_ns - w->now_ns, length_ns = p->next.end_ns - p->next.start_ns;

		if (rest_ns < length_ns / 1000 || rest_ns <= 0 || p->next.id < 0 ||
		    (size_t)p->next.id >= w->phases.names)
			continue;
		sqlite3_bind_int64(w->insert[PHASE], 1, pool_id);
		sqlite3_bind_text(w->insert[PHASE], 2, w->phases.name[p->next.id], -1, SQLITE_STATIC);
		for (int k = 0; k < COUNT(real); k++)
			sqlite3_bind_double(w->insert[PHASE], 3 + k, real[k]);
		rc = put(w, PHASE, NULL, 0, NULL, 0);
	}
	return rc;
}

static int put_forecast(struct work *w, int64_t pool_id, const struct mp_forecast *f)
{
	const int64_t whole[] = {pool_id, f->quality};
	const struct mp_demand_summary *d = &f->demand;
	const double real[] = {f->p_exhaust, f->max_p10, f->max_p50, f->max_p90, sight(f->exhaust.p10_ns),
	    sight(f->exhaust.p50_ns), sight(f->exhaust.p90_ns), d->level, d->trend, d->trend_error,
	    d->p_trend, d->burstiness, d->correlation, d->shape, d->windows, d->independent};
	int rc = put(w, FORECAST, whole, COUNT(whole), real, COUNT(real));

	return rc ? rc : put_phases(w, pool_id, f);
}

static int put_sizing(struct work *w, const struct pool_who *who, const struct mp_sizing *z)
{
	sqlite3_stmt *stmt = w->insert[SIZING];
	const int64_t before[] = {who->pool_id, z->capacity, z->capacity_upper, z->capacity_best,
	    z->is_extrapolated, z->is_censored};
	const int64_t after[] = {z->growth, z->thread_cache, z->stride_bytes, z->packed_bytes,
	    z->capacity_bytes, z->upper_bytes, z->growth_bytes, z->thread_cache_bytes, z->now_bytes,
	    z->saving_bytes};
	int first_bytes = COUNT(before) + 2 + 2;

	for (int i = 0; i < COUNT(after); i++)
		/* Without a size of objects there are no bytes. */
		if (who->object_bytes || COUNT(before) + 2 + i < first_bytes)
			sqlite3_bind_int64(stmt, COUNT(before) + 2 + i, after[i]);
	return put(w, SIZING, before, COUNT(before), &z->risk_now, 1);
}

static int put_backtest(struct work *w, int64_t pool_id)
{
	const struct mp_pool_course *c = &w->series.course;
	int64_t part_ns = (c->to_ns - c->from_ns) / BACKTEST_PARTS;
	int64_t horizon_ns = w->horizon_ns < part_ns ? w->horizon_ns : part_ns;
	struct mp_backtest b;

	if (!w->is_single || horizon_ns < 1)
		return 0;
	int rc = mp_backtest_make(c, horizon_ns, &b);
	if (rc)
		return rc == -ENOMEM ? mp_err_set(w->err, ENOMEM, "out of memory") : 0;
	const int64_t whole[] = {pool_id, horizon_ns, b.origins};
	const double real[] = {b.brier, b.brier_line, b.brier_share, b.error, b.bias, b.covered};
	return put(w, BACKTEST, whole, COUNT(whole), real, COUNT(real));
}

struct sizing_beside {
	const struct mp_pool_course *course;
	struct mp_sizing_options options;
	struct mp_sizing sizing;
	int rc;
};

static void *make_sizing(void *arg)
{
	struct sizing_beside *b = arg;

	b->rc = mp_sizing_make(b->course, &b->options, &b->sizing);
	return NULL;
}

/* Forecast and sizing take about as long, and know nothing of each other: at the same time, where threads can
 * be had. What is too short for either, or was destroyed and will not run dry, has no row. */
static int put_future(struct work *w, const struct pool_who *who)
{
	const struct mp_pool_course *c = &w->series.course;
	struct sizing_beside b = {.course = c,
	    .options = {.risk = w->risk, .object_bytes = who->object_bytes, .threads = who->threads}};
	struct mp_forecast f = {0};
	pthread_t thread;
	bool is_beside = !pthread_create(&thread, NULL, make_sizing, &b);
	int rc = c->to_ns < w->now_ns ? -ENODATA : mp_forecast_make(c, w->horizon_ns, &f);

	if (is_beside)
		pthread_join(thread, NULL);
	else
		make_sizing(&b);
	if (rc == -ENOMEM || b.rc == -ENOMEM)
		rc = mp_err_set(w->err, ENOMEM, "out of memory");
	else
		rc = rc ? 0 : put_forecast(w, who->pool_id, &f);
	if (!rc && !b.rc)
		rc = put_sizing(w, who, &b.sizing);
	mp_forecast_clear(&f);
	return rc;
}

static int put_pool(struct work *w, const struct pool_who *who)
{
	int rc = pool_series_load(w->s, who, &w->phases, w->scope, w->from_ns, w->now_ns, &w->series, w->err);

	if (!rc)
		rc = put_strip(w, who->pool_id);
	if (!rc)
		rc = pool_quantiles_put(w->s, who->pool_id, w->scope, w->insert[QUANTILE], w->err);
	if (rc || w->series.is_heap || !w->series.is_known)
		return rc;
	rc = put_future(w, who);
	return rc ? rc : put_backtest(w, who->pool_id);
}

static int64_t column_or(sqlite3_stmt *stmt, int i, int64_t otherwise)
{
	return sqlite3_column_type(stmt, i) == SQLITE_NULL ? otherwise : sqlite3_column_int64(stmt, i);
}

static int put_pools(struct work *w)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0, step;

	if (sqlite3_prepare_v2(mp_session_db(w->s),
		"SELECT pool_id, capacity, object_bytes, threads, created_ns, destroyed_ns FROM "
		"temp.pool_line"
		" ORDER BY place",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(w);
	while (!rc && (step = sqlite3_step(stmt)) != SQLITE_DONE) {
		const struct pool_who who = {.pool_id = sqlite3_column_int64(stmt, 0),
		    .capacity = column_or(stmt, 1, 0),
		    .object_bytes = column_or(stmt, 2, 0),
		    .threads = column_or(stmt, 3, 0),
		    .created_ns = column_or(stmt, 4, INT64_MIN),
		    .destroyed_ns = column_or(stmt, 5, INT64_MAX)};

		rc = step == SQLITE_ROW ? put_pool(w, &who) : fail(w);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* ---- The whole ---- */

static int run(struct work *w, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	int rc = mp_report_prepare(w->s, path, w->scope, &stmt, w->err);

	if (!rc && sqlite3_step(stmt) != SQLITE_DONE)
		rc = fail(w);
	sqlite3_finalize(stmt);
	return rc;
}

static int put_scope(struct work *w)
{
	const struct mp_report_scope *b = w->scope;
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(mp_session_db(w->s),
		"INSERT INTO temp.pool_scope SELECT ?, ?, ?, ?, ?, ?, ?, count(*),"
		" (SELECT real_ns - mono_ns FROM clock ORDER BY mono_ns LIMIT 1) FROM temp.pool_chosen",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(w);
	sqlite3_bind_int64(stmt, 1, w->from_ns);
	sqlite3_bind_int64(stmt, 2, w->now_ns);
	sqlite3_bind_int64(stmt, 3, w->horizon_ns);
	sqlite3_bind_int64(stmt, 4, b->pools.horizon_ns > 0);
	sqlite3_bind_double(stmt, 5, w->risk);
	sqlite3_bind_int64(stmt, 6, b->from_ns > INT64_MIN || b->to_ns < INT64_MAX);
	sqlite3_bind_int64(stmt, 7, w->is_single);
	if (sqlite3_step(stmt) != SQLITE_DONE)
		rc = fail(w);
	sqlite3_finalize(stmt);
	return rc;
}

static int prepare(struct work *w)
{
	for (int i = 0; i < TABLES; i++)
		if (sqlite3_prepare_v2(mp_session_db(w->s), insert[i], -1, &w->insert[i], NULL) != SQLITE_OK)
			return fail(w);
	return 0;
}

int mp_pools_begin(struct mp_session *s, struct mp_err *err)
{
	/* The rules of this version, whichever one recorded. */
	int rc = mp_session_use_view(s, "sql/views/v_pool_advice.sql", err);

	if (rc || sqlite3_exec(mp_session_db(s), mp_embedded_text("sql/pools/tables.sql"), NULL, NULL,
		      NULL) == SQLITE_OK)
		return rc;
	return mp_err_set(
	    err, EIO, "cannot analyse %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int fill_all(struct work *w)
{
	static const char *const after[] = {"sql/pools/fill_happened.sql", "sql/pools/fill_advice.sql",
	    "sql/pools/fill_advice_dry.sql", "sql/pools/fill_advice_large.sql", "sql/pools/fill_note.sql"};
	int rc = pool_choose(w->s, w->scope->pools.pool, w->err);

	if (!rc)
		rc = put_scope(w);
	if (!rc)
		rc = run(w, "sql/pools/fill_line.sql");
	if (!rc)
		rc = pool_phases_load(w->s, w->now_ns, &w->phases, w->err);
	if (!rc)
		rc = pool_series_begin(w->s, &w->series, w->err);
	if (!rc)
		rc = prepare(w);
	if (!rc)
		rc = put_pools(w);
	for (int i = 0; !rc && i < COUNT(after); i++)
		rc = run(w, after[i]);
	return rc;
}

static int fill(struct mp_session *s, const struct mp_report_scope *b, bool is_single, struct mp_err *err)
{
	struct work w = {.s = s,
	    .scope = b,
	    .err = err,
	    .from_ns = b->from_ns > b->start_ns ? b->from_ns : b->start_ns,
	    .now_ns = b->to_ns < b->end_ns ? b->to_ns : b->end_ns,
	    .risk = b->pools.risk > 0 ? b->pools.risk : MP_POOL_RISK,
	    .is_single = is_single};

	/* A recording that has no length has no course, but its tables are there. */
	if (w.now_ns <= w.from_ns)
		w.now_ns = w.from_ns + 1;
	w.horizon_ns = b->pools.horizon_ns > 0 ? b->pools.horizon_ns : w.now_ns - w.from_ns;
	int rc = fill_all(&w);
	for (int i = 0; i < TABLES; i++)
		sqlite3_finalize(w.insert[i]);
	pool_phases_clear(&w.phases);
	pool_series_clear(&w.series);
	return rc;
}

static int fill_report(
    struct mp_session *s, const struct mp_report_scope *scope, bool is_single, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);

	/* In memory: where a session is read there may be no room for a file. */
	sqlite3_exec(
	    db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY; SAVEPOINT pools", NULL, NULL, NULL);
	int rc = mp_pools_begin(s, err);
	if (!rc)
		rc = fill(s, scope, is_single, err);
	sqlite3_exec(db, "RELEASE pools; PRAGMA query_only=ON", NULL, NULL, NULL);
	return rc;
}

int mp_pools_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return fill_report(s, scope, false, err);
}

int mp_pool_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return fill_report(s, scope, true, err);
}

int mp_pools_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct mp_report_scope judged = *scope;

	judged.limit = JUDGED;
	return fill(s, &judged, false, err);
}

int mp_pool_parse_risk(const char *text, double *risk, struct mp_err *err)
{
	char *end;

	*risk = strtod(text, &end);
	if (end == text || *end || !(*risk > 0 && *risk < 1))
		return mp_err_set(err, EINVAL,
		    "--risk %s: give the probability of running dry in a session that is accepted, such as "
		    "1e-3",
		    text);
	return 0;
}
