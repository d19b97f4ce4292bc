/* SPDX-License-Identifier: MIT */
#include "store/append_heap.h"

#include "store/session_priv.h"

/* A few rows a second at most: their statements are not kept. */
static int run(struct mp_session *s, sqlite3_stmt *st, struct mp_err *err)
{
	int ret = st && sqlite3_step(st) == SQLITE_DONE ? 0 : mp_session_fail(s, "write", err);

	sqlite3_finalize(st);
	return ret;
}

static sqlite3_stmt *prepare(struct mp_session *s, const char *sql)
{
	sqlite3_stmt *st = NULL;

	sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
	return st;
}

static void bind_bytes(sqlite3_stmt *st, int i, uint64_t bytes)
{
	sqlite3_bind_int64(st, i, bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes);
}

int mp_append_heap(struct mp_session *s, const char *name, const char *source, uint64_t address,
    int64_t *pool_id, struct mp_err *err)
{
	sqlite3_stmt *st = prepare(s, "INSERT INTO pool (name, source, address) VALUES (?,?,?)");

	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, source, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, (int64_t)address);
	int ret = run(s, st, err);
	*pool_id = ret ? 0 : sqlite3_last_insert_rowid(s->db);
	return ret;
}

int mp_append_pool_heap(
    struct mp_session *s, int64_t pool_id, int64_t t_ns, const struct mp_pool_heap *heap, struct mp_err *err)
{
	sqlite3_stmt *st = prepare(s,
	    "INSERT OR REPLACE INTO pool_heap (pool_id, t_ns, total_bytes, used_bytes, free_bytes,"
	    " largest_free_bytes, free_pieces, unfit_bytes, requested_bytes) VALUES (?,?,?,?,?,?,?,?,?)");

	sqlite3_bind_int64(st, 1, pool_id);
	sqlite3_bind_int64(st, 2, t_ns);
	bind_bytes(st, 3, heap->total_bytes);
	bind_bytes(st, 4, heap->used_bytes);
	bind_bytes(st, 5, heap->free_bytes);
	bind_bytes(st, 6, heap->largest_free_bytes);
	bind_bytes(st, 7, heap->free_pieces);
	if (heap->unfit_bytes >= 0)
		sqlite3_bind_int64(st, 8, heap->unfit_bytes);
	if (heap->requested_bytes >= 0)
		sqlite3_bind_int64(st, 9, heap->requested_bytes);
	return run(s, st, err);
}
