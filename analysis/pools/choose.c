/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "analysis/pools/private.h"
#include "store/nearest.h"

static int fail(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int choose_where(
    struct mp_session *s, const char *condition, const char *pool, int *chosen, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;
	char *sql = sqlite3_mprintf(
	    "INSERT INTO temp.pool_chosen SELECT pool_id,"
	    " EXISTS (SELECT 1 FROM pool_sum WHERE pool_sum.pool_id = pool.pool_id) FROM pool WHERE %s",
	    condition);

	if (!sql)
		return mp_err_set(err, ENOMEM, "out of memory");
	if (sqlite3_prepare_v2(mp_session_db(s), sql, -1, &stmt, NULL) == SQLITE_OK)
		sqlite3_bind_text(stmt, 1, pool, -1, SQLITE_STATIC);
	if (!stmt || sqlite3_step(stmt) != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	*chosen = sqlite3_changes(mp_session_db(s));
	return rc;
}

/* "there is no pool ordres in open.db: did you mean orders? It has orders, messages": as many as one line
 * holds. */
static int say_unknown(struct mp_session *s, const char *pool, struct mp_err *err)
{
	char all[256] = "", nearest[64] = "";
	int least = 3, step;
	bool is_cut = false;
	size_t n = 0;
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(mp_session_db(s), "SELECT name FROM pool GROUP BY name ORDER BY min(pool_id)",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(s, err);
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		int d = name ? (int)mp_name_distance(pool, name, 3) : least;

		if (!name)
			continue;
		if (*pool && !strncmp(pool, name, strlen(pool)))
			d = 0;
		if (d < least) {
			least = d;
			snprintf(nearest, sizeof(nearest), "%.47s", name);
		}
		if (n < sizeof(all) - 80)
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%.47s", n ? ", " : "", name);
		else
			is_cut = true;
	}
	sqlite3_finalize(stmt);
	if (step != SQLITE_DONE)
		return fail(s, err);
	if (!n)
		return mp_err_set(
		    err, EINVAL, "there is no pool %.80s in %s: it has none", pool, mp_session_path(s));
	return mp_err_set(err, EINVAL, "there is no pool %.80s in %s: %s%s%s has %s%s", pool,
	    mp_session_path(s), *nearest ? "did you mean " : "", nearest, *nearest ? "? It" : "it", all,
	    is_cut ? ", ..." : "");
}

int pool_choose(struct mp_session *s, const char *pool, struct mp_err *err)
{
	int chosen = 0;

	if (!pool)
		return choose_where(s, "?1 IS NULL", NULL, &chosen, err);
	/* A name may have a * in it: it means itself first. */
	int rc = choose_where(s, "name = ?1", pool, &chosen, err);
	if (!rc && !chosen && strpbrk(pool, "*?["))
		rc = choose_where(s, "name GLOB ?1", pool, &chosen, err);
	return rc || chosen ? rc : say_unknown(s, pool, err);
}
