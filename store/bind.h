/* SPDX-License-Identifier: MIT */
#ifndef MP_STORE_BIND_H
#define MP_STORE_BIND_H

#include <stdbool.h>
#include <stdint.h>

#include "store/session_priv.h"

/* What the files share that append to a session. A statement that SQLite cannot prepare is NULL: the bind
 * functions bear that, and mp_statement_run() then tells. */

static inline int mp_statement_run(struct mp_session *s, sqlite3_stmt *st, struct mp_err *err)
{
	if (!st || sqlite3_step(st) != SQLITE_DONE) {
		int rc = mp_session_fail(s, "write", err);

		sqlite3_reset(st);
		return rc;
	}
	sqlite3_reset(st);
	return 0;
}

static inline void bind_int(sqlite3_stmt *st, int i, int64_t v)
{
	sqlite3_bind_int64(st, i, v);
}

/* Sizes and sums: an absurd request (SIZE_MAX) is the largest integer, not a negative one. */
static inline int64_t mp_clamped(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static inline void bind_count(sqlite3_stmt *st, int i, uint64_t v)
{
	sqlite3_bind_int64(st, i, mp_clamped(v));
}

static inline void bind_addr(sqlite3_stmt *st, int i, uint64_t v)
{
	sqlite3_bind_int64(st, i, (int64_t)v);
}

static inline void bind_known(sqlite3_stmt *st, int i, bool known, int64_t v)
{
	if (known)
		sqlite3_bind_int64(st, i, v);
	else
		sqlite3_bind_null(st, i);
}

/* STATIC is enough, without a copy: the statement is done with it when the append function returns. */
static inline void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

#endif
