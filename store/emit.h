/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_EMIT_H
#define MP_STORE_EMIT_H

#include <stdint.h>
#include <stdio.h>

#include "store/err.h"

struct sqlite3_stmt;

/*
 * The one place where output is formatted: a document of named tables, as an aligned table for people, as
 * one JSON document, or as CSV (RFC 4180 with a header row). The same calls serve all three:
 *
 *   mp_emit_begin(e, "summary");                   {"report":"summary",
 *   mp_emit_object(e, "session", stmt, err);        "session":{"pid":4242,...},
 *   mp_emit_note(e, "session: %s ...", ...);
 *   mp_emit_rows(e, "rows", "title", stmt, err);    "rows":[{...},{...}],
 *   mp_emit_object(e, "coverage", stmt, err);       "coverage":{...}}
 *   mp_emit_note(e, "coverage: ...");
 *   mp_emit_end(e, err);
 *
 * JSON has the objects and the rows, with the columns named by the statement. A table has the notes, which
 * say for people what the objects say for programs, and the rows. CSV has the rows only; several tables are
 * kept apart by an empty line, so a caller who promises one table emits one.
 *
 * JSON and CSV keep every value as it is: times and durations are integers in ns. A table shows them in
 * readable units, taken from the column's name, and points in time (t_ns, slot_ns, ...) in seconds with six
 * digits behind the point (store/cell.h has the list); it cuts texts longer than MP_EMIT_CUT characters, and
 * NULL is "-". Numbers are on the right, texts on the left. The first rows decide the widths: a table of any
 * length takes the memory of a few hundred rows.
 *
 * Single thread. What the target controls (names) is escaped in every format.
 */
enum mp_format {
	MP_FORMAT_TABLE,
	MP_FORMAT_JSON,
	MP_FORMAT_CSV,
};

#define MP_EMIT_CUT 160

/* Reads "table", "json" or "csv"; -EINVAL. */
int mp_format_parse(const char *text, enum mp_format *out, struct mp_err *err);

struct mp_emit;

/* NULL: out of memory. `out` stays the caller's. */
struct mp_emit *mp_emit_new(FILE *out, enum mp_format format);

/* `document` NULL: without a name, as for free queries. Not copied. Nothing is written before there is an
 * object or a row: what fails first leaves no half document. */
void mp_emit_begin(struct mp_emit *e, const char *document);

/* Opens and closes a group, so that several tables appear as "tables":{name:[rows]} in JSON. */
void mp_emit_group_begin(struct mp_emit *e, const char *name);
void mp_emit_group_end(struct mp_emit *e);

/* One row as an object, in JSON only. -EIO with SQLite's words if the statement fails. */
int mp_emit_object(struct mp_emit *e, const char *name, struct sqlite3_stmt *stmt, struct mp_err *err);

/* A line of text, in tables only; escaped. */
void mp_emit_note(struct mp_emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Steps `stmt` to its end. `title`, NULL for none, stands above the table. -EIO with SQLite's words if the
 * statement fails: at its first row, then nothing was written; later, then the rows so far were. -EPIPE or
 * -EIO as soon as the output cannot be written.
 */
int mp_emit_rows(
    struct mp_emit *e, const char *name, const char *title, struct sqlite3_stmt *stmt, struct mp_err *err);
/* The same for a statement of which the first step has been made, and gave `step`. */
int mp_emit_stepped(struct mp_emit *e, const char *name, const char *title, struct sqlite3_stmt *stmt,
    int step, struct mp_err *err);

/*
 * A column of this name, in the rows that follow, holds JSON made by SQLite's own functions (json_group_array
 * and the like): the JSON format has it as the value that it is, {"causes":[{...}]}, not as a string; the
 * others as text. For queries of our own only: whether it is valid is not checked. NULL: none. Not copied.
 */
void mp_emit_json_column(struct mp_emit *e, const char *name);

/* Ends the document; -EIO or -EPIPE if not all could be written. Frees `e`. */
int mp_emit_end(struct mp_emit *e, struct mp_err *err);

#endif
