/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_DOCTOR_ROWS_H
#define MP_SAMPLER_DOCTOR_ROWS_H

#include "store/emit.h"
#include "store/err.h"

struct sqlite3;

/*
 * Rows made in C on their way to the emitter, which takes statements: an SQLite database in memory. -EIO with
 * SQLite's words where something fails. One thread.
 */
int mp_rows_open(struct sqlite3 **db, struct mp_err *err);
void mp_rows_close(struct sqlite3 *db);

/* Runs one statement, formatted by sqlite3_mprintf(): %Q is a text in quotes, or NULL. */
int mp_rows_run(struct sqlite3 *db, struct mp_err *err, const char *fmt, ...);

/* mp_emit_rows() and mp_emit_object() for the text of a query. */
int mp_rows_emit(struct mp_emit *e, struct sqlite3 *db, const char *name, const char *title, const char *sql,
    struct mp_err *err);
int mp_rows_emit_object(
    struct mp_emit *e, struct sqlite3 *db, const char *name, const char *sql, struct mp_err *err);

#endif
