/* SPDX-License-Identifier: MIT */
#include "sampler/doctor/rows.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>

static int failed(sqlite3 *db, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot put the answer together: %s", db ? sqlite3_errmsg(db) : "out of memory");
}

int mp_rows_open(struct sqlite3 **db, struct mp_err *err)
{
	if (sqlite3_open(":memory:", db) == SQLITE_OK)
		return 0;
	int ret = failed(*db, err);
	mp_rows_close(*db);
	*db = NULL;
	return ret;
}

void mp_rows_close(struct sqlite3 *db)
{
	sqlite3_close(db);
}

int mp_rows_run(struct sqlite3 *db, struct mp_err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	int ret = sql && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db, err);
	sqlite3_free(sql);
	return ret;
}

int mp_rows_emit(struct mp_emit *e, struct sqlite3 *db, const char *name, const char *title, const char *sql,
    struct mp_err *err)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return failed(db, err);
	int ret = mp_emit_rows(e, name, title, stmt, err);
	sqlite3_finalize(stmt);
	return ret;
}

int mp_rows_emit_object(
    struct mp_emit *e, struct sqlite3 *db, const char *name, const char *sql, struct mp_err *err)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return failed(db, err);
	int ret = mp_emit_object(e, name, stmt, err);
	sqlite3_finalize(stmt);
	return ret;
}
