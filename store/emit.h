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
 *   mp_emit_begin(e, "summary");
 *   mp_emit_object(e, "session", stmt);         one row: {"pid":4242,...}
 *   mp_emit_rows(e, "rows", "title", stmt);     all rows of a statement, columns named by the statement
 *   mp_emit_object(e, "coverage", stmt);
 *   mp_emit_end(e);
 *
 * A table shows objects as one line "session: pid 4242, ..." and gives numbers of columns that end in _ns
 * and _bytes readable units; JSON and CSV keep them as the integers they are. CSV holds the rows only.
 * Single thread. What the target controls (names) is escaped in every format.
 */
enum mp_format {
	MP_FORMAT_TABLE,
	MP_FORMAT_JSON,
	MP_FORMAT_CSV,
};

/* Reads "table", "json" or "csv". */
int mp_format_parse(const char *text, enum mp_format *out, struct mp_err *err);

struct mp_emit;
struct mp_emit *mp_emit_new(FILE *out, enum mp_format format);
void mp_emit_begin(struct mp_emit *e, const char *document);

/* Opens and closes a group, so that several tables appear as "tables":{name:[rows]} in JSON. */
void mp_emit_group_begin(struct mp_emit *e, const char *name);
void mp_emit_group_end(struct mp_emit *e);

/* Steps `stmt` to its end. -EIO with SQLite's words if it fails. */
int mp_emit_object(struct mp_emit *e, const char *name, struct sqlite3_stmt *stmt, struct mp_err *err);
int mp_emit_rows(struct mp_emit *e, const char *name, const char *title, struct sqlite3_stmt *stmt, struct mp_err *err);

/* Ends the document; -EIO or -EPIPE if not all could be written. Frees `e`. */
int mp_emit_end(struct mp_emit *e, struct mp_err *err);

#endif
