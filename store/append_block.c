/* SPDX-License-Identifier: MIT */
#include "store/append_block.h"

#include <math.h>

#include "store/bind.h"
#include "store/retention_priv.h"

enum statement { BLOCK, END, WEIGHT, DELETE, STATEMENTS };

_Static_assert(MP_SESSION_FIRST_OF_BLOCKS + STATEMENTS <= MP_SESSION_STATEMENTS,
    "struct mp_session has room for all statements");

static const char *const sql[STATEMENTS] = {
    [BLOCK] = "INSERT INTO block (addr, size_bytes, op_id, tid, stack_id, born_ns, died_ns, ended, free_tid,"
	      " weight, scope_id) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    [END] = "UPDATE block SET died_ns = ?2, ended = ?3, free_tid = ?4 WHERE block_id = ?1",
    [WEIGHT] = "UPDATE block SET weight = weight * ?2 WHERE block_id = ?1",
    [DELETE] = "DELETE FROM block WHERE block_id = ?1",
};

static sqlite3_stmt *get(struct mp_session *s, enum statement which)
{
	sqlite3_stmt **st = &s->statement[MP_SESSION_FIRST_OF_BLOCKS + which];

	if (!*st)
		sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	return *st;
}

int mp_append_block(
    struct mp_session *s, const struct mp_block_row *row, int64_t *block_id, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	*block_id = 0;
	if (rc || !mp_retention_takes(s, MP_AREA_BLOCK))
		return rc;
	sqlite3_stmt *st = get(s, BLOCK);
	bind_addr(st, 1, row->addr);
	bind_count(st, 2, row->size_bytes);
	bind_int(st, 3, row->op);
	bind_int(st, 4, row->tid);
	bind_known(st, 5, row->stack_id != 0, row->stack_id);
	bind_int(st, 6, row->born_ns);
	bind_known(st, 7, row->end != 0, row->died_ns);
	bind_int(st, 8, row->end);
	bind_known(st, 9, row->free_tid != 0, row->free_tid);
	sqlite3_bind_double(st, 10, row->weight * mp_retention_block_times(s));
	bind_known(st, 11, row->scope != 0, row->scope);
	rc = mp_statement_run(s, st, err);
	*block_id = rc ? 0 : sqlite3_last_insert_rowid(s->db);
	return rc;
}

int mp_update_block_end(struct mp_session *s, int64_t block_id, unsigned int end, int64_t died_ns,
    int64_t free_tid, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, END);

	bind_int(st, 1, block_id);
	bind_known(st, 2, end != 0, died_ns);
	bind_int(st, 3, end);
	bind_known(st, 4, free_tid != 0, free_tid);
	return mp_statement_run(s, st, err);
}

int mp_update_block_weight(struct mp_session *s, int64_t block_id, double times, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, WEIGHT);

	bind_int(st, 1, block_id);
	sqlite3_bind_double(st, 2, times);
	return mp_statement_run(s, st, err);
}

int mp_delete_block(struct mp_session *s, int64_t block_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, DELETE);

	bind_int(st, 1, block_id);
	return mp_statement_run(s, st, err);
}
