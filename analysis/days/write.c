/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "analysis/days/private.h"
#include "store/embed.h"

/* For people who did not ask for another number. */
#define LINES_FOR_PEOPLE 12
#define CARDS_FOR_PEOPLE 120
#define ROWS_FOR_PEOPLE  20

/* The first is what CSV has. `people`: for them, or NULL: lines above the tables. */
static const struct section {
	const char *name, *title, *sql, *people, *note;
	int64_t limit;
} sections[] = {
    {"days", "Days, by phase", "sql/days/days.sql", "sql/days/days_people.sql",
	"(p50 to max: of the calls that give memory out; alloc_share: their time, of one CPU; days by the "
	"date "
	"on "
	"which the recording began, in UTC)",
	CARDS_FOR_PEOPLE},
    {"trend", "Trends", "sql/days/trend.sql", "sql/days/trend_people.sql",
	"(between: with 95 % confidence; p_value: up to 0.005 is beyond chance, over all figures together)",
	ROWS_FOR_PEOPLE},
    {"outliers", "Days beyond the others", "sql/days/outliers.sql", "sql/days/outliers_people.sql",
	"(expected: by the other days, and by the trend where there is one; z: in their standard deviations)",
	ROWS_FOR_PEOPLE},
    {"sentences", "In words", "sql/days/sentences.sql", NULL, NULL, LINES_FOR_PEOPLE},
    {"notes", "What speaks against it", "sql/days/notes.sql", NULL, NULL, LINES_FOR_PEOPLE},
};
#define SECTIONS (sizeof(sections) / sizeof(*sections))
enum { DAYS, TREND, OUTLIERS, SENTENCES, NOTES };

struct writing {
	const struct days *d;
	sqlite3 *db;
	sqlite3_stmt *line; /* to insert one */
	struct mp_emit *e;
	struct mp_err *err;
};

/* ---- Options ---- */

const char *mp_days_further_tables(void)
{
	return "trend, outliers, sentences, notes";
}

int mp_days_check(const struct mp_days_options *o, struct mp_err *err)
{
	const struct mp_report_filter *f = o->filter;
	bool is_known = !f->table;

	for (size_t i = 0; i < SECTIONS; i++)
		is_known = is_known || !strcmp(f->table, sections[i].name);
	if (!is_known)
		return mp_err_set(err, EINVAL, "session of many days has no table %.80s: it has %s, %s",
		    f->table, sections[0].name, mp_days_further_tables());
	if (o->n > MP_DAYS_MOST)
		return mp_err_set(err, EINVAL, "%zu sessions are too many: %d at a time", o->n, MP_DAYS_MOST);
	if (f->from_ns >= 0 || f->to_ns >= 0)
		return mp_err_set(err, EINVAL,
		    "--from and --to are of one recording, and several began at times of their own: --phase "
		    "compares a part of the day");
	if (f->tid)
		return mp_err_set(
		    err, EINVAL, "session cannot show one thread: its histograms count all threads together");
	return 0;
}

/* ---- Into the tables ---- */

static int failed(struct writing *w)
{
	return mp_err_set(w->err, EIO, "cannot write the comparison of days: %s", sqlite3_errmsg(w->db));
}

static int prepare(struct writing *w, const char *sql, sqlite3_stmt **st)
{
	return sqlite3_prepare_v2(w->db, sql, -1, st, NULL) == SQLITE_OK ? 0 : failed(w);
}

static int insert(struct writing *w, sqlite3_stmt *st)
{
	int step = sqlite3_step(st);

	sqlite3_reset(st);
	return step == SQLITE_DONE ? 0 : failed(w);
}

/* A whole number as one, what is not known as NULL. */
static void bind_number(sqlite3_stmt *st, int i, double v)
{
	if (!isfinite(v))
		sqlite3_bind_null(st, i);
	else if (v == floor(v) && fabs(v) < 9e15)
		sqlite3_bind_int64(st, i, (int64_t)v);
	else
		sqlite3_bind_double(st, i, v);
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
}

static void bind_figure(sqlite3_stmt *st, int i, enum figure f, double v)
{
	char text[MP_CELL_NUMBER];

	days_figure(f, v, text);
	bind_text(st, i, text);
}

static int insert_days(struct writing *w)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(w, "INSERT INTO day VALUES (?,?,?,?)", &st);

	for (size_t i = 0; !rc && i < w->d->n; i++) {
		const struct day *day = &w->d->day[i];

		sqlite3_bind_int64(st, 1, (int64_t)i);
		bind_text(st, 2, day->name);
		bind_text(st, 3, day->path);
		sqlite3_bind_int64(st, 4, day->start_real_ns / 1000000000);
		rc = insert(w, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int insert_cards(struct writing *w)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(w, "INSERT INTO card VALUES (?,?,?, ?,?,?,?,?,?,?,?,?,?,?,?,?, ?)", &st);

	for (size_t i = 0; !rc && i < w->d->n_cards; i++) {
		const struct card *c = &w->d->card[i];

		sqlite3_bind_int64(st, 1, (int64_t)c->day);
		bind_text(st, 2, c->label);
		sqlite3_bind_int64(st, 3, c->place);
		for (int f = 0; f < FIGURES; f++)
			bind_number(st, 4 + f, c->value[f]);
		bind_text(st, 4 + FIGURES, *c->pool ? c->pool : NULL);
		rc = insert(w, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int insert_trends(struct writing *w)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(w, "INSERT INTO trend VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", &st);

	for (size_t i = 0; !rc && i < w->d->n_trends; i++) {
		const struct told_trend *t = &w->d->trend[i];

		sqlite3_bind_int64(st, 1, (int64_t)i);
		bind_text(st, 2, t->of->label);
		bind_text(st, 3, figure_kinds[t->figure].name);
		sqlite3_bind_int64(st, 4, (int64_t)t->n);
		bind_number(st, 5, t->tau);
		bind_number(st, 6, exp(t->log_p));
		bind_number(st, 7, t->slope);
		bind_number(st, 8, t->lo);
		bind_number(st, 9, t->hi);
		bind_number(st, 10, t->first);
		bind_number(st, 11, t->last);
		bind_figure(st, 12, t->figure, t->first);
		bind_figure(st, 13, t->figure, t->last);
		rc = insert(w, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int insert_outliers(struct writing *w)
{
	sqlite3_stmt *st = NULL;
	int rc = prepare(w, "INSERT INTO outlier VALUES (?,?,?,?,?,?,?,?,?,?)", &st);

	for (size_t i = 0; !rc && i < w->d->n_outliers; i++) {
		const struct told_outlier *o = &w->d->outlier[i];
		double value = o->of->value[o->figure];

		sqlite3_bind_int64(st, 1, (int64_t)i);
		sqlite3_bind_int64(st, 2, (int64_t)o->of->day);
		bind_text(st, 3, o->of->label);
		bind_text(st, 4, figure_kinds[o->figure].name);
		bind_number(st, 5, value);
		bind_number(st, 6, o->expected);
		bind_number(st, 7, o->z);
		bind_number(st, 8, exp(o->log_p));
		bind_figure(st, 9, o->figure, value);
		bind_figure(st, 10, o->figure, o->expected);
		rc = insert(w, st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int insert_line(void *ctx, const char *line)
{
	struct writing *w = ctx;

	bind_text(w->line, 1, line);
	return insert(w, w->line);
}

static int insert_lines(
    struct writing *w, const char *sql, int (*say)(const struct days *d, days_take_line *take, void *ctx))
{
	int rc = prepare(w, sql, &w->line);

	if (!rc)
		rc = say(w->d, insert_line, w);
	sqlite3_finalize(w->line);
	return rc;
}

static int insert_all(struct writing *w)
{
	if (sqlite3_open_v2(":memory:", &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(w->db, mp_embedded_text("sql/days/tables.sql"), NULL, NULL, NULL) != SQLITE_OK)
		return failed(w);
	int rc = insert_days(w);
	if (!rc)
		rc = insert_cards(w);
	if (!rc)
		rc = insert_trends(w);
	if (!rc)
		rc = insert_outliers(w);
	if (!rc)
		rc = insert_lines(w, "INSERT INTO sentence VALUES (NULL, ?)", days_say);
	return rc ? rc : insert_lines(w, "INSERT INTO note VALUES (NULL, ?)", days_note);
}

/* ---- Out of them ---- */

static int parameter(sqlite3_stmt *st, const char *name)
{
	return sqlite3_bind_parameter_index(st, name);
}

static int prepare_section(struct writing *w, const char *path, int64_t limit, sqlite3_stmt **st)
{
	int rc = prepare(w, mp_embedded_text(path), st);

	if (!rc)
		sqlite3_bind_int64(*st, parameter(*st, ":limit"), limit > 0 ? limit : -1);
	return rc;
}

static size_t rows_of(const struct days *d, const struct section *s)
{
	return s == &sections[DAYS] ? d->n_cards : s == &sections[TREND] ? d->n_trends : d->n_outliers;
}

static int write_table(struct writing *w, const struct section *s)
{
	const struct mp_report_filter *f = w->d->o->filter;
	bool is_people = w->d->o->format == MP_FORMAT_TABLE && s->people;
	bool is_cut = is_people && f->limit < 0 && !f->table;
	size_t rows = rows_of(w->d, s);
	sqlite3_stmt *st = NULL;

	/* The sentences have said that there are none. */
	if (is_people && !f->table && !rows)
		return 0;
	int rc = prepare_section(w, is_people ? s->people : s->sql, is_cut ? s->limit : f->limit, &st);
	if (!rc)
		rc = mp_emit_rows(w->e, s->name, s->title, st, w->err);
	sqlite3_finalize(st);
	if (rc || !is_people)
		return rc;
	mp_emit_note(w->e, "%s", s->note);
	if (is_cut && rows > (size_t)s->limit)
		mp_emit_note(
		    w->e, "(%lld of %zu rows; all of them: --table %s)", (long long)s->limit, rows, s->name);
	return 0;
}

/* Above the tables, for people. */
static int write_lines(struct writing *w, const struct section *s, const char *before)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int step = SQLITE_DONE, rc = prepare_section(w, s->sql, 0, &st);

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW)
		if (n++ < s->limit)
			mp_emit_note(w->e, "%s%s", before, (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	if (!rc && step != SQLITE_DONE)
		rc = failed(w);
	if (n > s->limit)
		mp_emit_note(w->e, "(%lld more: --table %s)", (long long)(n - s->limit), s->name);
	return rc;
}

static int write_for_people(struct writing *w)
{
	const struct days *d = w->d;

	mp_emit_note(w->e, "%zu days, %s to %s%s%s", d->n, d->day[0].name, d->day[d->n - 1].name,
	    d->o->filter->phase ? ", only " : "", d->o->filter->phase ? d->o->filter->phase : "");
	int rc = write_lines(w, &sections[NOTES], "note: ");
	mp_emit_note(w->e, "%s", "");
	if (!rc)
		rc = write_lines(w, &sections[SENTENCES], "");
	if (!rc)
		rc = write_table(w, &sections[TREND]);
	if (!rc)
		rc = write_table(w, &sections[OUTLIERS]);
	return rc ? rc : write_table(w, &sections[DAYS]);
}

static int write_over(struct writing *w)
{
	const struct days *d = w->d;
	sqlite3_stmt *st = NULL;
	int rc = prepare(w, mp_embedded_text("sql/days/over.sql"), &st);

	if (!rc) {
		bind_text(st, parameter(st, ":phase"), d->o->filter->phase);
		bind_text(st, parameter(st, ":day"), d->is_weekdays ? "weekday" : "calendar");
		sqlite3_bind_int64(st, parameter(st, ":trends"), (int64_t)d->tested_trends);
		sqlite3_bind_int64(st, parameter(st, ":values"), (int64_t)d->tested_values);
		sqlite3_bind_double(st, parameter(st, ":level"), MP_DAYS_LEVEL);
		rc = mp_emit_object(w->e, "over", st, w->err);
	}
	sqlite3_finalize(st);
	return rc;
}

static int write_for_programs(struct writing *w)
{
	const struct mp_days_options *o = w->d->o;
	int rc = o->format == MP_FORMAT_JSON ? write_over(w) : 0;

	mp_emit_group_begin(w->e, "tables");
	for (size_t i = 0; !rc && i < SECTIONS; i++)
		if (o->filter->table ? !strcmp(o->filter->table, sections[i].name)
				     : o->format != MP_FORMAT_CSV || i == DAYS)
			rc = write_table(w, &sections[i]);
	mp_emit_group_end(w->e);
	return rc;
}

int days_write(const struct days *d, FILE *out, struct mp_err *err)
{
	struct writing w = {.d = d, .err = err};
	int rc = insert_all(&w);

	if (!rc && !(w.e = mp_emit_new(out, d->o->format)))
		rc = days_no_memory(err);
	if (w.e) {
		bool is_whole = d->o->format == MP_FORMAT_TABLE && !d->o->filter->table;

		mp_emit_begin(w.e, "session");
		rc = is_whole ? write_for_people(&w) : write_for_programs(&w);
		int end = mp_emit_end(w.e, rc ? NULL : err);
		rc = rc ? rc : end;
	}
	sqlite3_close(w.db);
	return rc;
}
