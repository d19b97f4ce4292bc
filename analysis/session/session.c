/* SPDX-License-Identifier: MIT */
#include "analysis/session/session.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/session/private.h"
#include "store/embed.h"

int session_failed(const struct filling *f)
{
	return mp_err_set(f->err, EIO, "cannot read %s: %s", mp_session_path(f->session),
	    sqlite3_errmsg(mp_session_db(f->session)));
}

int session_no_memory(const struct filling *f)
{
	return mp_err_set(f->err, ENOMEM, "cannot read %s: out of memory", mp_session_path(f->session));
}

/* ---- Into the tables ---- */

static int insert(struct filling *f, sqlite3_stmt *st)
{
	sqlite3_step(st);
	return sqlite3_reset(st) == SQLITE_OK ? 0
					      : session_failed(f); /* reset() repeats what step() answered */
}

static int insert_phase(struct filling *f, sqlite3_stmt *st, size_t n)
{
	const struct phase *p = &f->phase[n];

	sqlite3_clear_bindings(st);
	sqlite3_bind_int64(st, 1, (int64_t)n);
	sqlite3_bind_text(st, 2, p->name, -1, SQLITE_STATIC);
	if (p->source) {
		sqlite3_bind_int64(st, 3, p->nth);
		sqlite3_bind_text(st, 4, p->source, -1, SQLITE_STATIC);
	}
	sqlite3_bind_int64(st, 5, p->start_ns);
	sqlite3_bind_int64(st, 6, p->end_ns);
	sqlite3_bind_int64(st, 7, p->covered_ns);
	sqlite3_bind_int64(st, 8, p->alloc.calls);
	sqlite3_bind_int64(st, 9, p->frees);
	sqlite3_bind_double(st, 10, p->bytes);
	sqlite3_bind_double(st, 11, p->alloc.sum_ns);
	if (f->has_blocks)
		sqlite3_bind_double(st, 16, p->live_bytes);
	if (p->alloc.calls) {
		struct mp_spread s = mp_tally_spread(&p->alloc);
		sqlite3_bind_int64(st, 12, s.quantile_ns[0]);
		sqlite3_bind_int64(st, 13, s.quantile_ns[2]);
		sqlite3_bind_int64(st, 14, s.quantile_ns[3]);
		sqlite3_bind_int64(st, 15, s.max_ns);
	}
	return insert(f, st);
}

/* What else their tables have. */
enum last { LAST_NONE, LAST_LIVE, LAST_ROWS };

static int insert_cells(struct filling *f, const struct cells *c, enum last last, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int ret = sqlite3_prepare_v2(mp_session_db(f->session), sql, -1, &st, NULL) == SQLITE_OK
		      ? 0
		      : session_failed(f);

	for (size_t i = 0; !ret && i < c->room; i++) {
		if (c->cell[i].n < 0)
			continue;
		sqlite3_bind_int64(st, 1, c->cell[i].n);
		sqlite3_bind_int64(st, 2, c->cell[i].key);
		sqlite3_bind_double(st, 3, c->cell[i].calls);
		sqlite3_bind_double(st, 4, c->cell[i].bytes);
		sqlite3_bind_double(st, 5, c->cell[i].time_ns);
		if (last != LAST_NONE)
			sqlite3_bind_double(
			    st, 6, last == LAST_LIVE ? c->cell[i].live_bytes : c->cell[i].rows);
		if (last == LAST_ROWS)
			sqlite3_bind_int64(st, 7, c->cell[i].part);
		ret = insert(f, st);
	}
	sqlite3_finalize(st);
	return ret;
}

static int insert_cause(struct filling *f, const struct cell *c)
{
	sqlite3_stmt *st = NULL;
	int ret = 0;

	if (sqlite3_prepare_v2(mp_session_db(f->session), "INSERT INTO temp.session_cause VALUES (?,?,?,?)",
		-1, &st, NULL) != SQLITE_OK)
		return session_failed(f);
	sqlite3_bind_int64(st, 1, c->n);
	sqlite3_bind_text(st, 2, f->kind[c->key], -1, SQLITE_STATIC);
	sqlite3_bind_double(st, 3, c->calls);
	sqlite3_bind_double(st, 4, c->time_ns);
	ret = insert(f, st);
	sqlite3_finalize(st);
	return ret;
}

static int write_tables(struct filling *f)
{
	sqlite3_stmt *st = NULL;
	int ret = 0;

	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"INSERT INTO temp.session_phase VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &st,
		NULL) != SQLITE_OK)
		return session_failed(f);
	for (size_t i = 0; !ret && i < f->n; i++)
		ret = insert_phase(f, st, i);
	sqlite3_finalize(st);
	const struct {
		const struct cells *cells;
		enum last last;
		const char *sql;
	} cells[] = {{&f->stacks, LAST_NONE, "INSERT INTO temp.session_stack VALUES (?,?,?,?,?)"},
	    {&f->parts, f->has_blocks ? LAST_LIVE : LAST_NONE,
		"INSERT INTO temp.session_component VALUES (?,?,?,?,?,?)"},
	    {&f->spike_stacks, LAST_NONE, "INSERT INTO temp.session_spike_stack VALUES (?,?,?,?,?)"},
	    {&f->calm, LAST_NONE, "INSERT INTO temp.session_calm VALUES (?,?,?,?,?)"},
	    {&f->moves, LAST_ROWS,
		"INSERT INTO temp.session_move VALUES (?1/1024,?1%1024,?2,?3,?4,?5,?6,?7)"}};
	for (size_t i = 0; !ret && i < sizeof(cells) / sizeof(*cells); i++)
		ret = insert_cells(f, cells[i].cells, cells[i].last, cells[i].sql);
	for (size_t i = 0; !ret && i < f->causes.room; i++)
		if (f->causes.cell[i].n >= 0)
			ret = insert_cause(f, &f->causes.cell[i]);
	return ret;
}

/* ---- Views, over these tables ---- */

int session_ask_view(struct filling *f, const char *view, const char *before, const char *rest)
{
	char path[64], create[64];

	snprintf(path, sizeof(path), "sql/views/%s.sql", view);
	snprintf(create, sizeof(create), "\nCREATE VIEW %s AS\n", view);
	const char *text = strstr(mp_embedded_text(path), create) + strlen(create);
	char *sql =
	    sqlite3_mprintf("%s FROM (%.*s) %s", before, (int)(strrchr(text, ';') - text), text, rest);
	int rc = sql ? sqlite3_exec(mp_session_db(f->session), sql, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	return rc == SQLITE_OK ? 0 : rc == SQLITE_NOMEM ? session_no_memory(f) : session_failed(f);
}

static int judge(struct filling *f)
{
	return session_ask_view(f, "v_session_advice",
	    "INSERT INTO temp.session_advice WITH phase_card AS (SELECT n AS phase_id, name, start_ns, "
	    "end_ns,"
	    " covered_ns, allocs, alloc_ns FROM temp.session_phase WHERE source IS NOT NULL),"
	    " phase_kept AS (SELECT n AS phase_id, stack_id, calls, time_ns FROM temp.session_stack),"
	    " phase_cause AS (SELECT n AS phase_id, kind, times, time_ns FROM temp.session_cause),"
	    " phase_live AS (SELECT n AS phase_id, live_bytes FROM temp.session_phase)"
	    " SELECT phase_id, phase, rule, site, saves_ns, saves_bytes, share, finding, evidence, advice, "
	    "query",
	    "");
}

static int make_tables(struct filling *f)
{
	static const char *const files[] = {"sql/session/tables.sql", "sql/session/advice_table.sql"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (sqlite3_exec(mp_session_db(f->session), mp_embedded_text(files[i]), NULL, NULL, NULL) !=
		    SQLITE_OK)
			return session_failed(f);
	return 0;
}

static int write_cards(struct filling *f)
{
	int ret = session_sum_blocks(f);

	return ret ? ret : write_tables(f);
}

static int write_advice(struct filling *f)
{
	int ret = session_sum_kept(f);

	if (!ret)
		ret = write_tables(f);
	return ret ? ret : judge(f);
}

static int write_all(struct filling *f)
{
	int ret = session_find_spikes(f);

	if (!ret)
		ret = session_sum_kept(f);
	if (!ret)
		ret = write_tables(f);
	if (!ret)
		ret = session_find_growth(f);
	return ret ? ret : judge(f);
}

static void free_filling(struct filling *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->phase[i].name);
		free(f->phase[i].source);
		mp_tally_clear(&f->phase[i].alloc);
	}
	mp_components_free(f->components);
	free(f->stacks.cell);
	free(f->parts.cell);
	free(f->causes.cell);
	free(f->spike_stacks.cell);
	free(f->calm.cell);
	free(f->moves.cell);
	free(f->slot);
	mp_tally_clear(&f->slot_alloc);
	for (size_t i = 0; i < f->n_kinds; i++)
		free(f->kind[i]);
	free(f);
}

static int fill(struct mp_session *s, const struct mp_report_scope *scope, int (*finish)(struct filling *),
    struct mp_err *err)
{
	struct filling *f = calloc(1, sizeof(*f));

	if (!f)
		return mp_err_set(err, ENOMEM, "out of memory");
	*f = (struct filling){.session = s, .scope = scope, .err = err};
	int ret = session_read_phases(f);
	if (!ret)
		ret = session_read_slots(f);
	sqlite3_exec(mp_session_db(s), "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY; SAVEPOINT session",
	    NULL, NULL, NULL);
	if (!ret)
		ret = make_tables(f);
	if (!ret)
		ret = finish(f);
	sqlite3_exec(mp_session_db(s), "RELEASE session; PRAGMA query_only=ON", NULL, NULL, NULL);
	free_filling(f);
	return ret;
}

int mp_session_report_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return fill(s, scope, write_all, err);
}

int mp_session_cards_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	return fill(s, scope, write_cards, err);
}

/* ---- For report advice ---- */

int mp_session_advice_begin(struct mp_session *s, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);

	if (sqlite3_exec(db, mp_embedded_text("sql/session/advice_table.sql"), NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return mp_err_set(err, EIO, "cannot analyse %s: %s", mp_session_path(s), sqlite3_errmsg(db));
}

/* Those that are found in the data are the report's own. */
static bool has_phases(struct mp_session *s)
{
	sqlite3_stmt *st = NULL;
	bool has = sqlite3_prepare_v2(mp_session_db(s),
		       "SELECT 1 WHERE EXISTS (SELECT 1 FROM phase) AND EXISTS (SELECT 1 FROM slot)", -1, &st,
		       NULL) == SQLITE_OK &&
		   sqlite3_step(st) == SQLITE_ROW;

	sqlite3_finalize(st);
	return has;
}

int mp_session_advice_judge(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct mp_report_scope whole = *scope;

	whole.from_ns = scope->start_ns;
	whole.to_ns = scope->end_ns;
	whole.tid = 0;
	return has_phases(s) ? fill(s, &whole, write_advice, err) : 0;
}
