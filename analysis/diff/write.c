/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "analysis/diff/private.h"
#include "store/embed.h"

/* Rows of a table for people who did not ask for another number. */
#define ROWS_FOR_PEOPLE 20

/* What a comparison is written from. */
struct writing {
	const struct mp_diff_options *o;
	const struct mp_diff_rows *rows;
	sqlite3 *db; /* of the rows */
	sqlite3_stmt *side[2];
	struct mp_emit *e;
};

static int failed(sqlite3 *db, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot write the comparison: %s", sqlite3_errmsg(db));
}

void mp_diff_figure(const struct mp_diff_row *row, double value, char *out)
{
	if (isnan(value))
		strcpy(out, "-");
	else
		mp_cell_real(row->metric->unit, value, out);
}

void mp_diff_change(const struct mp_diff_row *row, double change, char *out)
{
	char number[MP_CELL_NUMBER];

	if (isnan(change)) {
		strcpy(out, "?");
		return;
	}
	if (row->a > 0) {
		double percent = change / row->a * 100;
		int digits = fabs(percent) < 9.995 ? 2 : fabs(percent) < 99.95 ? 1 : 0;

		snprintf(number, sizeof(number), "%.*f %%", digits, percent);
	} else {
		mp_cell_real(row->metric->unit, change, number);
	}
	snprintf(out, MP_CELL_NUMBER, "%s%.40s", change > 0 ? "+" : "", number);
}

static void interval(const struct mp_diff_row *row, char *out, size_t size)
{
	char lo[MP_CELL_NUMBER], hi[MP_CELL_NUMBER];

	if (isnan(row->lo) || isnan(row->hi)) {
		snprintf(out, size, "-");
		return;
	}
	mp_diff_change(row, row->lo, lo);
	mp_diff_change(row, row->hi, hi);
	snprintf(out, size, "%s to %s", lo, hi);
}

/* A whole number as one, what is not known as NULL. */
static void bind_number(sqlite3_stmt *stmt, int i, double v)
{
	if (!isfinite(v))
		sqlite3_bind_null(stmt, i);
	else if (v == floor(v) && fabs(v) < 9e15)
		sqlite3_bind_int64(stmt, i, (int64_t)v);
	else
		sqlite3_bind_double(stmt, i, v);
}

static void bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
	sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT);
}

static int insert_row(
    sqlite3 *db, sqlite3_stmt *stmt, const struct mp_diff_row *row, size_t n, struct mp_err *err)
{
	char text[MP_CELL_NUMBER], between[3 * MP_CELL_NUMBER];
	double change = row->b - row->a;

	bind_text(stmt, 1, row->table->name);
	sqlite3_bind_int64(stmt, 2, (int64_t)n);
	bind_text(stmt, 3, row->name);
	bind_text(stmt, 4, row->op);
	bind_text(stmt, 5, row->metric->name);
	bind_number(stmt, 6, row->a);
	bind_number(stmt, 7, row->b);
	bind_number(stmt, 8, change);
	bind_number(stmt, 9, row->a > 0 ? change / row->a : NAN);
	bind_number(stmt, 10, row->lo);
	bind_number(stmt, 11, row->hi);
	bind_number(stmt, 12, row->is_tested ? exp(row->log_p) : NAN);
	bind_text(stmt, 13, row->verdict);
	mp_diff_figure(row, row->a, text);
	bind_text(stmt, 14, text);
	mp_diff_figure(row, row->b, text);
	bind_text(stmt, 15, text);
	mp_diff_change(row, change, text);
	bind_text(stmt, 16, isnan(change) ? "-" : text);
	interval(row, between, sizeof(between));
	bind_text(stmt, 17, between);
	int step = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return step == SQLITE_DONE ? 0 : failed(db, err);
}

static int insert_all(struct writing *w, const struct mp_diff_notes *notes, struct mp_err *err)
{
	sqlite3_stmt *row = NULL, *note = NULL;
	int rc = 0;

	if (sqlite3_exec(w->db, mp_embedded_text("sql/diff/rows_tables.sql"), NULL, NULL, NULL) !=
		SQLITE_OK ||
	    sqlite3_prepare_v2(w->db, "INSERT INTO diff_row VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1,
		&row, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(w->db, "INSERT INTO diff_note VALUES (NULL, ?)", -1, &note, NULL) != SQLITE_OK)
		rc = failed(w->db, err);
	for (size_t i = 0; !rc && i < w->rows->n; i++)
		rc = insert_row(w->db, row, &w->rows->row[i], i, err);
	for (size_t i = 0; !rc && i < notes->n; i++) {
		bind_text(note, 1, notes->note[i].text);
		if (sqlite3_step(note) != SQLITE_DONE)
			rc = failed(w->db, err);
		sqlite3_reset(note);
	}
	sqlite3_finalize(row);
	sqlite3_finalize(note);
	return rc;
}

static int prepare(
    sqlite3 *db, const char *path, const char *part, int64_t limit, sqlite3_stmt **stmt, struct mp_err *err)
{
	if (sqlite3_prepare_v2(db, mp_embedded_text(path), -1, stmt, NULL) != SQLITE_OK)
		return failed(db, err);
	sqlite3_bind_text(*stmt, sqlite3_bind_parameter_index(*stmt, ":part"), part, -1, SQLITE_STATIC);
	sqlite3_bind_int64(*stmt, sqlite3_bind_parameter_index(*stmt, ":limit"), limit > 0 ? limit : -1);
	return 0;
}

/* For people: how many rows of a table are beyond chance, of how many that were tested. */
struct count {
	size_t rows, tested, changed;
};

static struct count count_rows(const struct mp_diff_rows *rows, const struct mp_diff_table *t)
{
	struct count c = {0};

	for (size_t i = 0; i < rows->n; i++) {
		const struct mp_diff_row *row = &rows->row[i];

		if (row->table != t)
			continue;
		c.rows++;
		c.tested += row->is_tested;
		c.changed += row->verdict && strcmp(row->verdict, "same") && strcmp(row->verdict, "unknown");
	}
	return c;
}

static void say_none(struct writing *w, const struct mp_diff_table *t, const struct count *c)
{
	mp_emit_note(w->e, "%s", "");
	if (!c->tested)
		mp_emit_note(w->e, "%s: too little is known to compare", t->title);
	else
		mp_emit_note(w->e, "%s: none of %zu figures differs beyond chance%s", t->title, c->tested,
		    c->tested < c->rows ? ", of others too little is known" : "");
}

static int write_for_people(struct writing *w, const struct mp_diff_table *t, struct mp_err *err)
{
	struct count c = count_rows(w->rows, t);
	bool all = t->is_main || w->o->table;
	int64_t limit = w->o->limit < 0 && !all ? ROWS_FOR_PEOPLE : w->o->limit;
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (!c.rows && !w->o->table)
		return 0;
	if (!all && !c.changed) {
		say_none(w, t, &c);
		return 0;
	}
	rc = prepare(w->db, "sql/diff/rows_people.sql", t->name, limit, &stmt, err);
	if (!rc && !all)
		sqlite3_bind_int(stmt, sqlite3_bind_parameter_index(stmt, ":changed"), 1);
	if (!rc)
		rc = mp_emit_rows(w->e, t->name, t->title, stmt, err);
	if (!rc && !all)
		mp_emit_note(w->e, "(%zu of %zu figures differ beyond chance; all of them: --table %s)",
		    c.changed, c.tested, t->name);
	sqlite3_finalize(stmt);
	return rc;
}

static int write_table(struct writing *w, const struct mp_diff_table *t, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;

	if (w->o->format == MP_FORMAT_TABLE)
		return write_for_people(w, t, err);
	int rc = prepare(w->db, "sql/diff/rows.sql", t->name, w->o->limit, &stmt, err);
	if (!rc)
		rc = mp_emit_rows(w->e, t->name, NULL, stmt, err);
	sqlite3_finalize(stmt);
	return rc;
}

static bool is_wanted(const struct mp_diff_options *o, const struct mp_diff_table *t)
{
	if (o->table)
		return !strcmp(o->table, t->name);
	return o->format != MP_FORMAT_CSV || t == mp_diff_tables;
}

/* A: open.db, phase open_burst: ./engine (pid 4242), 60.0 s compared; uprobe (session), probe all; 1,000,003
 * calls */
static void note_side(struct writing *w, int i)
{
	sqlite3_stmt *stmt = w->side[i];
	char length[MP_CELL_NUMBER], calls[MP_CELL_NUMBER];
	const char *phase = w->o->phase[i];
	const char *command = mp_diff_text(stmt, "command"), *backend = mp_diff_text(stmt, "backend");
	const char *probe = mp_diff_text(stmt, "probe");

	mp_cell_int(MP_UNIT_DURATION, mp_diff_integer(stmt, "compared_ns"), length);
	mp_cell_int(MP_UNIT_COUNT, mp_diff_integer(stmt, "calls_counted"), calls);
	mp_emit_note(w->e, "%c: %s%s%s: %s (pid %lld), %s of it; %s, probe %s; %s calls counted", "AB"[i],
	    mp_diff_text(stmt, "file"), phase ? ", phase " : "", phase ? phase : "",
	    *command ? command : "command not known", (long long)mp_diff_integer(stmt, "pid"), length,
	    *backend ? backend : "?", *probe ? probe : "?", calls);
}

static int write_sides(struct writing *w, struct mp_err *err)
{
	int rc = 0;

	if (w->o->format == MP_FORMAT_TABLE) {
		note_side(w, 0);
		note_side(w, 1);
		return 0;
	}
	if (w->o->format != MP_FORMAT_JSON)
		return 0;
	mp_emit_group_begin(w->e, "diff");
	for (int i = 0; !rc && i < 2; i++) {
		sqlite3_reset(w->side[i]);
		rc = mp_emit_object(w->e, i ? "b" : "a", w->side[i], err);
	}
	mp_emit_group_end(w->e);
	return rc;
}

static int write_notes(struct writing *w, const struct mp_diff_notes *notes, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;

	if (w->o->format == MP_FORMAT_CSV)
		return 0;
	if (w->o->format == MP_FORMAT_TABLE) {
		for (size_t i = 0; i < notes->n; i++)
			mp_emit_note(w->e, "%s%s", i ? "      " : "note: ", notes->note[i].text);
		return 0;
	}
	int rc = prepare(w->db, "sql/diff/notes.sql", NULL, 0, &stmt, err);
	if (!rc)
		rc = mp_emit_rows(w->e, "notes", NULL, stmt, err);
	sqlite3_finalize(stmt);
	return rc;
}

static int write_document(struct writing *w, const struct mp_diff_notes *notes, struct mp_err *err)
{
	bool people = w->o->format == MP_FORMAT_TABLE;

	mp_emit_begin(w->e, "diff");
	int rc = write_sides(w, err);
	/* People read first what speaks against the figures. */
	if (!rc && people)
		rc = write_notes(w, notes, err);
	mp_emit_group_begin(w->e, "tables");
	for (const struct mp_diff_table *t = mp_diff_tables; !rc && t->name; t++)
		if (is_wanted(w->o, t))
			rc = write_table(w, t, err);
	mp_emit_group_end(w->e);
	if (!rc && !people)
		rc = write_notes(w, notes, err);
	if (people) {
		mp_emit_note(w->e, "%s", "");
		mp_emit_note(w->e,
		    "between: with 99 %% all changes lie within theirs; p_value: up to 0.01 is beyond "
		    "chance, over all rows together; a change below 1 %% is the same");
	}
	return rc;
}

int mp_diff_write(const struct mp_diff_options *o, struct mp_diff_side side[2],
    const struct mp_diff_rows *rows, FILE *out, struct mp_err *err)
{
	struct writing w = {.o = o, .rows = rows};
	struct mp_diff_notes notes;
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++)
		rc = mp_diff_side_describe(&side[i], o->path[i] ? o->path[i] : o->path[0], &w.side[i], err);
	if (!rc && sqlite3_open_v2(":memory:", &w.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		       SQLITE_OK)
		rc = failed(w.db, err);
	if (!rc) {
		mp_diff_notes_find(w.side[0], w.side[1], side, rows, &notes);
		rc = insert_all(&w, &notes, err);
	}
	if (!rc && !(w.e = mp_emit_new(out, o->format)))
		rc = mp_err_set(err, ENOMEM, "out of memory");
	if (!rc)
		rc = write_document(&w, &notes, err);
	if (w.e) {
		int end = mp_emit_end(w.e, rc ? NULL : err);
		rc = rc ? rc : end;
	}
	sqlite3_finalize(w.side[0]);
	sqlite3_finalize(w.side[1]);
	sqlite3_close(w.db);
	return rc;
}
