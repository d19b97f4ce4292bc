/* SPDX-License-Identifier: MIT */
#include "store/emit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/cell.h"

/* Rows of a table that are looked at before the first is printed, and the widest that a column is made. */
#define TABLE_ROWS 500
#define WIDTH_MAX  48

struct mp_emit {
	FILE *out;
	enum mp_format format;
	const char *document;
	const char *json_column; /* or NULL */
	bool open;               /* the JSON document's first brace was written */
	bool member;             /* the object being written has a member: the next one needs a comma */
	bool table;              /* a table or note was written: the next table stands apart from it */
	int failed;              /* errno of the first failed write */
};

int mp_format_parse(const char *text, enum mp_format *out, struct mp_err *err)
{
	static const char *const names[] = {
	    [MP_FORMAT_TABLE] = "table", [MP_FORMAT_JSON] = "json", [MP_FORMAT_CSV] = "csv"};

	for (int i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			*out = (enum mp_format)i;
			return 0;
		}
	return mp_err_set(err, EINVAL, "there is no format %s: choose table, json or csv", text);
}

struct mp_emit *mp_emit_new(FILE *out, enum mp_format format)
{
	struct mp_emit *e = calloc(1, sizeof(*e));

	if (e) {
		e->out = out;
		e->format = format;
	}
	return e;
}

static int write_failed(struct mp_emit *e, struct mp_err *err)
{
	if (!e->failed && ferror(e->out))
		e->failed = errno ? errno : EIO;
	if (!e->failed)
		return 0;
	return mp_err_set(
	    err, e->failed == EPIPE ? EPIPE : EIO, "cannot write the output: %s", strerror(e->failed));
}

static int query_failed(sqlite3_stmt *stmt, struct mp_err *err)
{
	return mp_err_set(err, EIO, "the query failed: %s", sqlite3_errmsg(sqlite3_db_handle(stmt)));
}

static void json_text(struct mp_emit *e, const char *text)
{
	mp_cell_write_json(e->out, text, strlen(text));
}

/* The document begins with its first member, so that what fails before has written nothing. */
static void json_key(struct mp_emit *e, const char *name)
{
	if (!e->open) {
		putc('{', e->out);
		e->open = true;
		if (e->document) {
			json_key(e, "report");
			json_text(e, e->document);
		}
	}
	if (e->member)
		fputs(",\n", e->out);
	e->member = true;
	json_text(e, name);
	putc(':', e->out);
}

void mp_emit_begin(struct mp_emit *e, const char *document)
{
	e->document = document;
}

void mp_emit_group_begin(struct mp_emit *e, const char *name)
{
	if (e->format != MP_FORMAT_JSON)
		return;
	json_key(e, name);
	putc('{', e->out);
	e->member = false;
}

void mp_emit_group_end(struct mp_emit *e)
{
	if (e->format != MP_FORMAT_JSON)
		return;
	putc('}', e->out);
	e->member = true;
}

void mp_emit_note(struct mp_emit *e, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (e->format != MP_FORMAT_TABLE)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		e->failed = e->failed ? e->failed : ENOMEM;
		return;
	}
	mp_cell_write_plain(e->out, text, (size_t)n);
	putc('\n', e->out);
	free(text);
	e->table = true;
}

/* Bytes as hex digits, since JSON and CSV have no form of their own for them. */
static void write_blob(FILE *out, const unsigned char *bytes, int n)
{
	for (int i = 0; i < n; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void write_number(FILE *out, sqlite3_stmt *stmt, int col)
{
	char number[MP_CELL_NUMBER];

	if (sqlite3_column_type(stmt, col) == SQLITE_INTEGER)
		snprintf(number, sizeof(number), "%lld", (long long)sqlite3_column_int64(stmt, col));
	else
		mp_cell_exact(sqlite3_column_double(stmt, col), number);
	fputs(number, out);
}

static void json_value(FILE *out, sqlite3_stmt *stmt, int col)
{
	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_INTEGER:
	case SQLITE_FLOAT:
		write_number(out, stmt, col);
		break;
	case SQLITE_TEXT: {
		const char *text = (const char *)sqlite3_column_text(stmt, col);

		mp_cell_write_json(out, text ? text : "", (size_t)sqlite3_column_bytes(stmt, col));
		break;
	}
	case SQLITE_BLOB:
		putc('"', out);
		write_blob(out, sqlite3_column_blob(stmt, col), sqlite3_column_bytes(stmt, col));
		putc('"', out);
		break;
	default:
		fputs("null", out);
	}
}

static bool holds_json(const struct mp_emit *e, const char *name, sqlite3_stmt *stmt, int col)
{
	return e->json_column && name && !strcmp(name, e->json_column) &&
	       sqlite3_column_type(stmt, col) == SQLITE_TEXT;
}

static void json_row(struct mp_emit *e, sqlite3_stmt *stmt)
{
	putc('{', e->out);
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		const char *name = sqlite3_column_name(stmt, i);

		if (i)
			putc(',', e->out);
		mp_cell_write_json(e->out, name ? name : "", name ? strlen(name) : 0);
		putc(':', e->out);
		if (holds_json(e, name, stmt, i))
			mp_cell_write_json_value(e->out, (const char *)sqlite3_column_text(stmt, i),
			    (size_t)sqlite3_column_bytes(stmt, i));
		else
			json_value(e->out, stmt, i);
	}
	putc('}', e->out);
}

int mp_emit_object(struct mp_emit *e, const char *name, struct sqlite3_stmt *stmt, struct mp_err *err)
{
	if (e->format != MP_FORMAT_JSON)
		return 0;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return query_failed(stmt, err);
	json_key(e, name);
	if (rc == SQLITE_ROW)
		json_row(e, stmt);
	else
		fputs("{}", e->out);
	return write_failed(e, err);
}

static int json_rows(struct mp_emit *e, const char *name, sqlite3_stmt *stmt, int rc)
{
	bool any = false;

	json_key(e, name);
	putc('[', e->out);
	for (; rc == SQLITE_ROW && !write_failed(e, NULL); rc = sqlite3_step(stmt)) {
		fputs(any ? ",\n  " : "\n  ", e->out);
		json_row(e, stmt);
		any = true;
	}
	fputs(any ? "\n]" : "]", e->out);
	return rc;
}

static void csv_value(FILE *out, sqlite3_stmt *stmt, int col)
{
	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_INTEGER:
	case SQLITE_FLOAT:
		write_number(out, stmt, col);
		break;
	case SQLITE_TEXT: {
		const char *text = (const char *)sqlite3_column_text(stmt, col);

		mp_cell_write_csv(out, text ? text : "", (size_t)sqlite3_column_bytes(stmt, col));
		break;
	}
	case SQLITE_BLOB:
		write_blob(out, sqlite3_column_blob(stmt, col), sqlite3_column_bytes(stmt, col));
		break;
	default:
		break;
	}
}

static int csv_rows(struct mp_emit *e, sqlite3_stmt *stmt, int rc)
{
	int columns = sqlite3_column_count(stmt);

	if (e->table)
		fputs("\r\n", e->out);
	e->table = true;
	for (int i = 0; i < columns; i++) {
		const char *name = sqlite3_column_name(stmt, i);

		if (i)
			putc(',', e->out);
		mp_cell_write_csv(e->out, name ? name : "", name ? strlen(name) : 0);
	}
	fputs("\r\n", e->out);
	for (; rc == SQLITE_ROW && !write_failed(e, NULL); rc = sqlite3_step(stmt)) {
		for (int i = 0; i < columns; i++) {
			if (i)
				putc(',', e->out);
			csv_value(e->out, stmt, i);
		}
		fputs("\r\n", e->out);
	}
	return rc;
}

/* A table being printed: the first rows wait in `cell` until they have decided widths and alignment. */
struct table {
	int columns, rows;
	struct column {
		enum mp_unit unit;
		char title[64];
		int width;
		bool text;
	} * column;
	char **cell; /* TABLE_ROWS x columns */
};

static int characters(const char *utf8)
{
	int n = 0;

	for (; *utf8; utf8++)
		n += (*utf8 & 0xc0) != 0x80;
	return n;
}

/* A long text ends in "...": a person reads its beginning, a program reads JSON. */
static void cut(char *utf8)
{
	int n = 0;
	char *end = utf8;

	if (characters(utf8) <= MP_EMIT_CUT)
		return;
	for (; n < MP_EMIT_CUT - 3; n++)
		do
			end++;
		while ((*end & 0xc0) == 0x80);
	strcpy(end, "...");
}

/* The cell as shown; NULL when out of memory. */
static char *table_cell(struct column *c, sqlite3_stmt *stmt, int col)
{
	char number[MP_CELL_NUMBER];
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_INTEGER:
		mp_cell_int(c->unit, sqlite3_column_int64(stmt, col), number);
		return strdup(number);
	case SQLITE_FLOAT:
		mp_cell_real(c->unit, sqlite3_column_double(stmt, col), number);
		return strdup(number);
	case SQLITE_NULL:
		return strdup("-");
	}
	if (!(out = open_memstream(&text, &size)))
		return NULL;
	const char *value = sqlite3_column_blob(stmt, col);
	if (sqlite3_column_type(stmt, col) == SQLITE_BLOB)
		write_blob(out, (const unsigned char *)value, sqlite3_column_bytes(stmt, col));
	else if (value)
		mp_cell_write_plain(out, value, (size_t)sqlite3_column_bytes(stmt, col));
	fclose(out);
	if (text)
		cut(text);
	c->text = true;
	return text;
}

static void print_cell(FILE *out, const struct column *c, bool last, const char *text)
{
	int pad = c->width - characters(text);

	if (pad < 0)
		pad = 0;
	if (!c->text)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", out);
}

static void print_row(FILE *out, const struct table *t, char *const *cell)
{
	for (int i = 0; i < t->columns; i++)
		print_cell(out, &t->column[i], i + 1 == t->columns, cell[i] ? cell[i] : "?");
}

static void measure(struct table *t)
{
	for (int i = 0; i < t->columns; i++) {
		struct column *c = &t->column[i];

		c->width = characters(c->title);
		for (int r = 0; r < t->rows; r++) {
			const char *text = t->cell[r * t->columns + i];
			int width = text ? characters(text) : 0;

			if (width > c->width)
				c->width = width < WIDTH_MAX ? width : WIDTH_MAX;
		}
	}
}

static void print_head(struct mp_emit *e, struct table *t)
{
	measure(t);
	for (int i = 0; i < t->columns; i++)
		print_cell(e->out, &t->column[i], i + 1 == t->columns, t->column[i].title);
	for (int r = 0; r < t->rows; r++)
		print_row(e->out, t, t->cell + r * t->columns);
}

static void read_row(struct table *t, sqlite3_stmt *stmt, char **cell)
{
	for (int i = 0; i < t->columns; i++) {
		free(cell[i]);
		cell[i] = table_cell(&t->column[i], stmt, i);
	}
}

static int table_rows(struct mp_emit *e, sqlite3_stmt *stmt, int rc)
{
	struct table t = {.columns = sqlite3_column_count(stmt)};
	bool head = false;

	t.column = calloc((size_t)t.columns, sizeof(*t.column));
	t.cell = calloc((size_t)t.columns * TABLE_ROWS, sizeof(*t.cell));
	if (!t.column || !t.cell) {
		e->failed = ENOMEM;
		goto out;
	}
	for (int i = 0; i < t.columns; i++) {
		const char *name = sqlite3_column_name(stmt, i);

		t.column[i].unit = mp_cell_unit(name ? name : "");
		mp_cell_title(name ? name : "", t.column[i].title, sizeof(t.column[i].title));
	}
	for (; rc == SQLITE_ROW && !write_failed(e, NULL); rc = sqlite3_step(stmt)) {
		if (!head && t.rows < TABLE_ROWS) {
			read_row(&t, stmt, t.cell + t.rows++ * t.columns);
			continue;
		}
		if (!head)
			print_head(e, &t);
		head = true;
		read_row(&t, stmt, t.cell);
		print_row(e->out, &t, t.cell);
	}
	if (!t.rows)
		fputs("(no rows)\n", e->out);
	else if (!head)
		print_head(e, &t);
out:
	for (int i = 0; t.cell && i < t.columns * TABLE_ROWS; i++)
		free(t.cell[i]);
	free(t.cell);
	free(t.column);
	return rc;
}

int mp_emit_rows(
    struct mp_emit *e, const char *name, const char *title, struct sqlite3_stmt *stmt, struct mp_err *err)
{
	/* Before anything is written: most queries that fail do so here. */
	return mp_emit_stepped(e, name, title, stmt, sqlite3_step(stmt), err);
}

int mp_emit_stepped(struct mp_emit *e, const char *name, const char *title, struct sqlite3_stmt *stmt,
    int step, struct mp_err *err)
{
	int rc = step;

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return query_failed(stmt, err);
	switch (e->format) {
	case MP_FORMAT_JSON:
		rc = json_rows(e, name, stmt, rc);
		break;
	case MP_FORMAT_CSV:
		rc = csv_rows(e, stmt, rc);
		break;
	case MP_FORMAT_TABLE:
		if (e->table)
			putc('\n', e->out);
		e->table = true;
		if (title)
			fprintf(e->out, "%s\n", title);
		rc = table_rows(e, stmt, rc);
		break;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return query_failed(stmt, err);
	return write_failed(e, err);
}

void mp_emit_json_column(struct mp_emit *e, const char *name)
{
	e->json_column = name;
}

int mp_emit_end(struct mp_emit *e, struct mp_err *err)
{
	if (e->open)
		fputs("}\n", e->out);
	if (fflush(e->out) && !e->failed)
		e->failed = errno;
	int rc = write_failed(e, err);
	free(e);
	return rc;
}
