/* SPDX-License-Identifier: MIT */
#include "store/append_pool.h"

#include "store/bind.h"
#include "store/retention_priv.h"

enum statement { POOL, UPDATE_POOL, USE, LATENCY, SUM, SITE, EVENT, HEAP, STATEMENTS };

_Static_assert(MP_SESSION_FIRST_OF_POOLS + STATEMENTS <= MP_SESSION_FIRST_OF_GC,
    "struct mp_session has room for all statements");

static const char *const sql[STATEMENTS] = {
    [POOL] =
	"INSERT INTO pool (name, source, address, capacity, object_bytes, created_ns) VALUES (?,?,?,?,?,?)",
    [UPDATE_POOL] =
	"UPDATE pool SET capacity = coalesce(?2, capacity), object_bytes = coalesce(?3, object_bytes),"
	" destroyed_ns = coalesce(?4, destroyed_ns) WHERE pool_id = ?1",
    [USE] =
	"INSERT INTO pool_use (pool_id, slot_ns, in_use_min, in_use_max, in_use_last, gets, puts, failures,"
	" in_use_bytes_max) VALUES (?,?,?,?,?,?,?,?,?)"
	" ON CONFLICT DO UPDATE SET in_use_min = min(in_use_min, excluded.in_use_min),"
	" in_use_max = max(in_use_max, excluded.in_use_max), in_use_last = excluded.in_use_last,"
	" gets = gets + excluded.gets, puts = puts + excluded.puts, failures = failures + excluded.failures,"
	" in_use_bytes_max = max(coalesce(in_use_bytes_max, excluded.in_use_bytes_max),"
	" coalesce(excluded.in_use_bytes_max, in_use_bytes_max))",
    [LATENCY] = "INSERT INTO pool_latency (pool_id, slot_ns, what, bucket, count) VALUES (?,?,?,?,?)"
		" ON CONFLICT DO UPDATE SET count = count + excluded.count",
    [SUM] =
	"INSERT OR REPLACE INTO pool_sum (pool_id, gets, puts, failures, in_use, in_use_max, in_use_max_t_ns,"
	" in_use_max_tid, in_use_max_stack_id, in_use_bytes_max, requested_bytes, lost, double_puts, "
	"foreign_puts,"
	" older_puts, cross_puts, hidden_failures, hidden_max, threads, reuses, lifo_reuses, fifo_reuses,"
	" reuse_depth_p50, objects, lines, lines_least, pages, pages_least)"
	" VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SITE] = "INSERT OR REPLACE INTO pool_site (pool_id, ip, stack_id, gets, holds, hold_sum_ns, hold_max_ns,"
	     " hold_p50_ns, hold_p99_ns, at_high_water, held, oldest_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    [EVENT] = "INSERT INTO pool_event (pool_id, t_ns, tid, kind, addr, stack_id, n) VALUES (?,?,?,?,?,?,?)",
    [HEAP] = "INSERT OR REPLACE INTO pool_heap (pool_id, t_ns, total_bytes, used_bytes, free_bytes,"
	     " largest_free_bytes, unfit_bytes, free_pieces, requested_bytes) VALUES (?,?,?,?,?,?,?,?,?)",
};

static sqlite3_stmt *get(struct mp_session *s, enum statement which)
{
	sqlite3_stmt **st = &s->statement[MP_SESSION_FIRST_OF_POOLS + which];

	if (!*st)
		sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	return *st;
}

int mp_append_pool(struct mp_session *s, const struct mp_pool_row *row, int64_t *pool_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, POOL);

	bind_text(st, 1, row->name);
	bind_text(st, 2, row->source);
	bind_known(st, 3, row->address != 0, (int64_t)row->address);
	bind_known(st, 4, row->capacity >= 0, row->capacity);
	bind_known(st, 5, row->object_bytes >= 0, row->object_bytes);
	bind_known(st, 6, row->created_ns >= 0, row->created_ns);
	int rc = mp_statement_run(s, st, err);
	*pool_id = rc ? 0 : sqlite3_last_insert_rowid(s->db);
	return rc;
}

int mp_update_pool(struct mp_session *s, int64_t pool_id, int64_t capacity, int64_t object_bytes,
    int64_t destroyed_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, UPDATE_POOL);

	bind_int(st, 1, pool_id);
	bind_known(st, 2, capacity >= 0, capacity);
	bind_known(st, 3, object_bytes >= 0, object_bytes);
	bind_known(st, 4, destroyed_ns >= 0, destroyed_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_use(
    struct mp_session *s, int64_t pool_id, int64_t slot_ns, const struct mp_pool_use *use, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, USE);

	bind_int(st, 1, pool_id);
	bind_int(st, 2, slot_ns);
	bind_int(st, 3, use->in_use_min);
	bind_int(st, 4, use->in_use_max);
	bind_int(st, 5, use->in_use_last);
	bind_count(st, 6, use->gets);
	bind_count(st, 7, use->puts);
	bind_count(st, 8, use->failures);
	bind_known(st, 9, use->in_use_bytes_max >= 0, use->in_use_bytes_max);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_latency(struct mp_session *s, int64_t pool_id, int64_t slot_ns, const char *what,
    uint32_t bucket, uint64_t count, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, LATENCY);

	bind_int(st, 1, pool_id);
	bind_int(st, 2, slot_ns);
	bind_text(st, 3, what);
	bind_int(st, 4, bucket);
	bind_count(st, 5, count);
	mp_retention_count(s, MP_AREA_SLOT, MP_POOL_LATENCY_BYTES);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_sum(
    struct mp_session *s, int64_t pool_id, const struct mp_pool_sum *sum, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, SUM);

	bind_int(st, 1, pool_id);
	bind_count(st, 2, sum->gets);
	bind_count(st, 3, sum->puts);
	bind_count(st, 4, sum->failures);
	bind_int(st, 5, sum->in_use);
	bind_int(st, 6, sum->in_use_max);
	bind_known(st, 7, sum->in_use_max_t_ns != 0, sum->in_use_max_t_ns);
	bind_known(st, 8, sum->in_use_max_tid != 0, sum->in_use_max_tid);
	bind_known(st, 9, sum->in_use_max_stack_id != 0, sum->in_use_max_stack_id);
	bind_known(st, 10, sum->in_use_bytes_max >= 0, sum->in_use_bytes_max);
	bind_known(st, 11, sum->requested_bytes >= 0, sum->requested_bytes);
	bind_count(st, 12, sum->lost);
	bind_count(st, 13, sum->double_puts);
	bind_count(st, 14, sum->foreign_puts);
	bind_count(st, 15, sum->older_puts);
	bind_count(st, 16, sum->cross_puts);
	bind_count(st, 17, sum->hidden_failures);
	bind_count(st, 18, sum->hidden_max);
	bind_count(st, 19, sum->threads);
	bind_count(st, 20, sum->reuses);
	bind_count(st, 21, sum->lifo_reuses);
	bind_count(st, 22, sum->fifo_reuses);
	bind_known(st, 23, sum->reuse_depth_p50 >= 0, sum->reuse_depth_p50);
	bind_count(st, 24, sum->objects);
	bind_known(st, 25, sum->lines >= 0, sum->lines);
	bind_known(st, 26, sum->lines_least >= 0, sum->lines_least);
	bind_known(st, 27, sum->pages >= 0, sum->pages);
	bind_known(st, 28, sum->pages_least >= 0, sum->pages_least);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_site(
    struct mp_session *s, int64_t pool_id, const struct mp_pool_site *site, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, SITE);

	bind_int(st, 1, pool_id);
	bind_addr(st, 2, site->ip);
	bind_known(st, 3, site->stack_id != 0, site->stack_id);
	bind_count(st, 4, site->gets);
	bind_count(st, 5, site->holds);
	bind_count(st, 6, site->hold_sum_ns);
	bind_count(st, 7, site->hold_max_ns);
	bind_known(st, 8, site->hold_p50_ns >= 0, site->hold_p50_ns);
	bind_known(st, 9, site->hold_p99_ns >= 0, site->hold_p99_ns);
	bind_count(st, 10, site->at_high_water);
	bind_count(st, 11, site->held);
	bind_known(st, 12, site->oldest_ns != 0, site->oldest_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_event(struct mp_session *s, const struct mp_pool_event_row *row, struct mp_err *err)
{
	int rc = mp_session_breathe(s, err);

	if (rc || !mp_retention_takes(s, MP_AREA_POOL_EVENT))
		return rc;
	sqlite3_stmt *st = get(s, EVENT);
	bind_int(st, 1, row->pool_id);
	bind_int(st, 2, row->t_ns);
	bind_known(st, 3, row->tid != 0, row->tid);
	bind_text(st, 4, row->kind);
	bind_known(st, 5, row->addr != 0, (int64_t)row->addr);
	bind_known(st, 6, row->stack_id != 0, row->stack_id);
	bind_known(st, 7, row->n >= 0, row->n);
	return mp_statement_run(s, st, err);
}

int mp_append_pool_heap(
    struct mp_session *s, int64_t pool_id, int64_t t_ns, const struct mp_pool_heap *heap, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, HEAP);

	bind_int(st, 1, pool_id);
	bind_int(st, 2, t_ns);
	bind_count(st, 3, heap->total_bytes);
	bind_count(st, 4, heap->used_bytes);
	bind_count(st, 5, heap->free_bytes);
	bind_count(st, 6, heap->largest_free_bytes);
	bind_known(st, 7, heap->unfit_bytes >= 0, heap->unfit_bytes);
	bind_count(st, 8, heap->free_pieces);
	bind_known(st, 9, heap->requested_bytes >= 0, heap->requested_bytes);
	return mp_statement_run(s, st, err);
}
