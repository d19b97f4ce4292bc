/* SPDX-License-Identifier: MIT */
#include "analysis/beside.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

struct beside {
	struct mp_session *session;
	const struct mp_report_scope *scope;
	mp_fill *fill;
	int rc;
	struct mp_err err;
};

static void *run(void *arg)
{
	struct beside *b = arg;

	b->rc = b->fill(b->session, b->scope, &b->err);
	return NULL;
}

static int failed(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot write temporary tables for %s: %s", mp_session_path(s),
	    sqlite3_errmsg(mp_session_db(s)));
}

/* "INSERT INTO temp.NAME VALUES (?,?,...)" */
static sqlite3_stmt *insert_into(sqlite3 *db, const char *table, int columns)
{
	char *sql = sqlite3_mprintf("INSERT INTO temp.\"%w\" VALUES (?", table);
	sqlite3_stmt *stmt = NULL;

	for (int i = 1; sql && i < columns; i++)
		sql = sqlite3_mprintf("%z,?", sql);
	if (sql)
		sql = sqlite3_mprintf("%z)", sql);
	if (sql)
		sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	sqlite3_free(sql);
	return stmt;
}

static int copy_rows(sqlite3 *from, sqlite3 *to, const char *table)
{
	char *sql = sqlite3_mprintf("SELECT * FROM temp.\"%w\"", table);
	sqlite3_stmt *select = NULL, *insert = NULL;
	int step = SQLITE_ERROR;

	if (sql && sqlite3_prepare_v2(from, sql, -1, &select, NULL) == SQLITE_OK)
		insert = insert_into(to, table, sqlite3_column_count(select));
	while (insert && (step = sqlite3_step(select)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(select); i++)
			sqlite3_bind_value(insert, i + 1, sqlite3_column_value(select, i));
		if (sqlite3_step(insert) != SQLITE_DONE)
			break;
		sqlite3_reset(insert);
	}
	sqlite3_finalize(select);
	sqlite3_finalize(insert);
	sqlite3_free(sql);
	return step == SQLITE_DONE ? 0 : -EIO;
}

static int copy_table(sqlite3 *from, sqlite3 *to, const char *table, const char *definition)
{
	/* As it was made, but for the name of the database, which SQLite leaves out. */
	char *sql =
	    sqlite3_mprintf("DROP TABLE IF EXISTS temp.\"%w\"; CREATE TEMP %s", table, definition + 7);
	int rc =
	    sql && sqlite3_exec(to, sql, NULL, NULL, NULL) == SQLITE_OK ? copy_rows(from, to, table) : -EIO;

	sqlite3_free(sql);
	return rc;
}

static int copy_tables(struct mp_session *from, struct mp_session *to, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(to);
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_exec(db, "PRAGMA query_only = OFF", NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
	int step = SQLITE_DONE;

	if (!rc &&
	    sqlite3_prepare_v2(mp_session_db(from),
		"SELECT name, sql FROM temp.sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'",
		-1, &stmt, NULL) != SQLITE_OK)
		rc = -EIO;
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		rc = copy_table(mp_session_db(from), db, (const char *)sqlite3_column_text(stmt, 0),
		    (const char *)sqlite3_column_text(stmt, 1));
	if (rc || step != SQLITE_DONE)
		rc = failed(to, err);
	sqlite3_finalize(stmt);
	sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	return rc;
}

/* Its own connection reads tables from one end to the other, which no cache makes faster. */
static int open_again(const struct mp_session *s, struct mp_session **out)
{
	int rc = mp_session_open(mp_session_path(s), out, NULL);

	return rc ||
	       sqlite3_exec(mp_session_db(*out), "PRAGMA cache_size=-4096", NULL, NULL, NULL) != SQLITE_OK;
}

int mp_fill_beside(struct mp_session *s, const struct mp_report_scope *scope, mp_fill *first, mp_fill *second,
    struct mp_err *err)
{
	struct beside b = {.scope = scope, .fill = second};
	pthread_t thread;

	if (open_again(s, &b.session) || pthread_create(&thread, NULL, run, &b)) {
		mp_session_close(b.session, NULL);
		int rc = first(s, scope, err);
		return rc ? rc : second(s, scope, err);
	}
	int rc = first(s, scope, err);
	pthread_join(thread, NULL);
	if (!rc && b.rc) {
		rc = b.rc;
		*err = b.err;
	}
	if (!rc)
		rc = copy_tables(b.session, s, err);
	mp_session_close(b.session, NULL);
	return rc;
}
