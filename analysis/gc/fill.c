/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "analysis/gc/gc.h"
#include "analysis/gc/private.h"
#include "analysis/patterns/patterns.h"
#include "store/embed.h"

/* Of the strip. */
#define STEPS 60

int gc_fail(struct gc_work *w)
{
	return mp_err_set(
	    w->err, EIO, "cannot analyse %s: %s", mp_session_path(w->s), sqlite3_errmsg(mp_session_db(w->s)));
}

int gc_prepare(struct gc_work *w, const char *sql, sqlite3_stmt **stmt)
{
	return sqlite3_prepare_v2(mp_session_db(w->s), sql, -1, stmt, NULL) == SQLITE_OK ? 0 : gc_fail(w);
}

int gc_put(struct gc_work *w, sqlite3_stmt *insert)
{
	int rc = sqlite3_step(insert) == SQLITE_DONE ? 0 : gc_fail(w);

	sqlite3_reset(insert);
	sqlite3_clear_bindings(insert);
	return rc;
}

/* A file of one statement that fills a table. */
static int run(struct gc_work *w, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	int rc = mp_report_prepare(w->s, path, w->scope, &stmt, w->err);

	if (!rc && sqlite3_step(stmt) != SQLITE_DONE)
		rc = gc_fail(w);
	sqlite3_finalize(stmt);
	return rc;
}

/* ---- Pauses ---- */

static int count_pauses(struct gc_work *w, size_t *n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = gc_prepare(w, "SELECT count(*) FROM temp.gc_pause", &stmt);

	*n = 0;
	if (!rc && sqlite3_step(stmt) == SQLITE_ROW)
		*n = (size_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

/* Cut to what is looked at. */
static struct mp_pause pause_of(const struct gc_work *w, sqlite3_stmt *stmt)
{
	int64_t from_ns = sqlite3_column_int64(stmt, 0), to_ns = from_ns + sqlite3_column_int64(stmt, 1);

	return (struct mp_pause){
	    from_ns > w->from_ns ? from_ns : w->from_ns, to_ns < w->now_ns ? to_ns : w->now_ns};
}

static int load_pauses(struct gc_work *w)
{
	sqlite3_stmt *stmt = NULL;
	size_t room;
	int step, rc = count_pauses(w, &room);

	if (rc)
		return rc;
	w->pause = malloc((room + 1) * sizeof(*w->pause));
	if (!w->pause)
		return mp_err_set(w->err, ENOMEM, "out of memory");
	rc = gc_prepare(w, "SELECT from_ns, felt_ns FROM temp.gc_pause ORDER BY from_ns", &stmt);
	while (!rc && (step = sqlite3_step(stmt)) != SQLITE_DONE && w->pauses < room) {
		if (step != SQLITE_ROW)
			rc = gc_fail(w);
		else
			w->pause[w->pauses++] = pause_of(w, stmt);
	}
	sqlite3_finalize(stmt);
	w->pauses = mp_pauses_merge(w->pause, w->pauses);
	return rc;
}

/* ---- What they leave to the program ---- */

static int put_mmu(struct gc_work *w)
{
	static const int windows_ms[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
	sqlite3_stmt *stmt = NULL;
	int rc = w->pauses ? gc_prepare(w, "INSERT INTO temp.gc_mmu VALUES (?,?,?,?)", &stmt) : 0;

	for (size_t i = 0; !rc && w->pauses && i < sizeof(windows_ms) / sizeof(*windows_ms); i++) {
		int64_t window_ns = windows_ms[i] * INT64_C(1000000);

		if (window_ns > w->now_ns - w->from_ns)
			break;
		struct mp_mmu m = mp_mmu_of(w->pause, w->pauses, w->from_ns, w->now_ns, window_ns);
		sqlite3_bind_int64(stmt, 1, window_ns);
		sqlite3_bind_double(stmt, 2, m.mmu);
		sqlite3_bind_int64(stmt, 3, m.pause_ns);
		sqlite3_bind_int64(stmt, 4, m.t_ns);
		rc = gc_put(w, stmt);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* How much of a step was paused; `next`: the first pause that may touch it. */
static int64_t paused_in(const struct gc_work *w, size_t *next, int64_t from_ns, int64_t to_ns)
{
	int64_t sum = 0;

	while (*next < w->pauses && w->pause[*next].to_ns <= from_ns)
		++*next;
	for (size_t i = *next; i < w->pauses && w->pause[i].from_ns < to_ns; i++) {
		int64_t a = w->pause[i].from_ns, b = w->pause[i].to_ns;

		sum += (b < to_ns ? b : to_ns) - (a > from_ns ? a : from_ns);
	}
	return sum;
}

static int put_steps(struct gc_work *w)
{
	int64_t step_ns = (w->now_ns - w->from_ns + STEPS - 1) / STEPS;
	sqlite3_stmt *stmt = NULL;
	size_t next = 0;
	int rc = w->pauses ? gc_prepare(w, "INSERT INTO temp.gc_step VALUES (?,?,?,?)", &stmt) : 0;

	for (int i = 0; !rc && w->pauses && w->from_ns + i * step_ns < w->now_ns; i++) {
		int64_t from_ns = w->from_ns + i * step_ns;
		int64_t to_ns = from_ns + step_ns < w->now_ns ? from_ns + step_ns : w->now_ns;

		sqlite3_bind_int(stmt, 1, i);
		sqlite3_bind_int64(stmt, 2, from_ns);
		sqlite3_bind_int64(stmt, 3, to_ns - from_ns);
		sqlite3_bind_int64(stmt, 4, paused_in(w, &next, from_ns, to_ns));
		rc = gc_put(w, stmt);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* ---- The whole ---- */

static int put_scope(struct gc_work *w, int64_t slot_ns)
{
	const struct mp_report_scope *b = w->scope;
	sqlite3_stmt *stmt = NULL;
	int rc = gc_prepare(w, "INSERT INTO temp.gc_scope VALUES (?,?,?,?)", &stmt);

	if (rc)
		return rc;
	sqlite3_bind_int64(stmt, 1, w->from_ns);
	sqlite3_bind_int64(stmt, 2, w->now_ns);
	sqlite3_bind_int(stmt, 3, b->from_ns > INT64_MIN || b->to_ns < INT64_MAX);
	sqlite3_bind_int64(stmt, 4, slot_ns);
	rc = gc_put(w, stmt);
	sqlite3_finalize(stmt);
	return rc;
}

static int put_relations(struct gc_work *w)
{
	struct gc_table t = {0};
	int rc = gc_table_load(w, &t);

	if (!rc)
		rc = put_scope(w, t.slot_ns);
	if (!rc)
		rc = gc_relations_put(w, &t);
	if (!rc)
		rc = gc_classes_put(w, &t);
	gc_table_clear(&t);
	return rc ? rc : gc_trends_put(w);
}

int mp_gc_begin(struct mp_session *s, struct mp_err *err)
{
	/* The rules of this version, whichever one recorded. */
	int rc = mp_session_use_view(s, "sql/views/v_gc_advice.sql", err);

	if (rc || sqlite3_exec(mp_session_db(s), mp_embedded_text("sql/gc/tables.sql"), NULL, NULL, NULL) ==
		      SQLITE_OK)
		return rc;
	return mp_err_set(
	    err, EIO, "cannot analyse %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static struct gc_work work_of(struct mp_session *s, const struct mp_report_scope *b, struct mp_err *err)
{
	struct gc_work w = {.s = s,
	    .scope = b,
	    .err = err,
	    .from_ns = b->from_ns > b->start_ns ? b->from_ns : b->start_ns,
	    .now_ns = b->to_ns < b->end_ns ? b->to_ns : b->end_ns};

	/* A recording that has no length has no pauses, but its tables are there. */
	if (w.now_ns <= w.from_ns)
		w.now_ns = w.from_ns + 1;
	return w;
}

int mp_gc_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct gc_work w = work_of(s, scope, err);

	return run(&w, "sql/gc/fill_advice.sql");
}

static int fill(struct gc_work *w)
{
	int rc = run(w, "sql/gc/fill_pause.sql");

	if (!rc)
		rc = load_pauses(w);
	if (!rc)
		rc = put_mmu(w);
	if (!rc)
		rc = put_steps(w);
	if (!rc)
		rc = put_relations(w);
	free(w->pause);
	if (!rc)
		rc = run(w, "sql/gc/fill_burst.sql");
	return rc ? rc : run(w, "sql/gc/fill_advice.sql");
}

int mp_gc_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct gc_work w = work_of(s, scope, err);
	sqlite3 *db = mp_session_db(s);
	int rc;

	/* In memory: where a session is read there may be no room for a file. */
	sqlite3_exec(db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY; SAVEPOINT gc", NULL, NULL, NULL);
	rc = mp_gc_begin(s, err);
	if (!rc)
		rc = fill(&w);
	sqlite3_exec(db, "RELEASE gc; PRAGMA query_only=ON", NULL, NULL, NULL);
	return rc ? rc : mp_patterns_fill_gc(s, scope, err);
}
