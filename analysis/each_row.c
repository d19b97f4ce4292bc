/* SPDX-License-Identifier: MIT */
#include "analysis/each_row.h"

#include <errno.h>

struct each {
	mp_take_row *take;
	void *ctx;
	int rc; /* of the last take() */
};

#define POINTER "mp_each_row"

static void take_row(sqlite3_context *ctx, int n, sqlite3_value **value)
{
	struct each *e = n ? sqlite3_value_pointer(value[0], POINTER) : NULL;

	if (e && !e->rc)
		e->rc = e->take(e->ctx, value + 1);
	if (!e || e->rc)
		sqlite3_result_error(ctx, "not taken", -1);
	else
		sqlite3_result_int(ctx, 0);
}

int mp_each_row(struct mp_session *s, const char *sql, const struct mp_report_scope *scope, mp_take_row *take,
    void *ctx, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);
	struct each e = {.take = take, .ctx = ctx};
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	/* SQLite refuses to replace it while any statement runs: then it is there already, and the same. */
	sqlite3_create_function(
	    db, "mp_take", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, take_row, NULL, NULL);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, scope->from_ns);
		sqlite3_bind_int64(stmt, 2, scope->to_ns);
		sqlite3_bind_int64(stmt, 3, scope->tid);
		sqlite3_bind_pointer(stmt, 4, &e, POINTER, NULL);
	}
	if (!stmt || (sqlite3_step(stmt) != SQLITE_DONE && !e.rc))
		rc = mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	return e.rc ? e.rc : rc;
}
