/* SPDX-License-Identifier: MIT */
#include "store/append_gc.h"

#include <string.h>

#include "store/bind.h"
#include "store/retention_priv.h"

enum statement { GC, POOL, PHASE, PREDICTION, SETTING, PRESSURE, CLASS_NAME, CLASS, STATEMENTS };

_Static_assert(MP_SESSION_FIRST_OF_GC + STATEMENTS <= MP_SESSION_FIRST_OF_COMPONENTS,
    "struct mp_session has room for all statements");

static const char *const sql[STATEMENTS] = {
    [GC] = "INSERT INTO gc (t_ns, dur_ns, ttsp_ns, stopped_ns, is_pause, runtime, kind, cause, tid,"
	   " bytes_since_last, source) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
    [POOL] = "INSERT INTO gc_pool (gc_id, pool, used_before_bytes, used_after_bytes, committed_bytes,"
	     " max_bytes) VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
	     " used_before_bytes = coalesce(excluded.used_before_bytes, used_before_bytes),"
	     " used_after_bytes = coalesce(excluded.used_after_bytes, used_after_bytes),"
	     " committed_bytes = coalesce(excluded.committed_bytes, committed_bytes),"
	     " max_bytes = coalesce(excluded.max_bytes, max_bytes)",
    [PHASE] = "INSERT OR REPLACE INTO gc_phase (gc_id, name, t_ns, dur_ns) VALUES (?,?,?,?)",
    [PREDICTION] = "INSERT OR REPLACE INTO gc_prediction (made_ns, runtime, kind, due_ns, lo_ns, hi_ns,"
		   " coverage) VALUES (?,?,?,?,?,?,?)",
    [SETTING] = "INSERT OR REPLACE INTO gc_setting (runtime, name, value) VALUES (?,?,?)",
    [PRESSURE] = "INSERT OR REPLACE INTO pressure (t_ns, name, value) VALUES (?,?,?)",
    [CLASS_NAME] = "INSERT OR IGNORE INTO gc_class_name (runtime, name) SELECT ?1, ?2"
		   " WHERE ?3 OR (SELECT coalesce(max(class_id), 0) FROM gc_class_name) < ?4",
    [CLASS] =
	"INSERT INTO gc_class (slot_ns, class_id, object_bytes, events, bytes)"
	" SELECT ?1, class_id, ?4, ?5, ?6 FROM gc_class_name WHERE runtime = ?2 AND name = ?3"
	" ON CONFLICT DO UPDATE SET events = CAST(events + excluded.events AS INTEGER), bytes = CAST(bytes + "
	"excluded.bytes AS INTEGER)",
};

static sqlite3_stmt *get(struct mp_session *s, enum statement which)
{
	sqlite3_stmt **st = &s->statement[MP_SESSION_FIRST_OF_GC + which];

	if (!*st)
		sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	return *st;
}

int mp_append_gc(struct mp_session *s, const struct mp_gc_row *row, int64_t *gc_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, GC);

	*gc_id = 0;
	if (!mp_retention_takes_gc(s, row->dur_ns))
		return 0;
	bind_int(st, 1, row->t_ns);
	bind_int(st, 2, row->dur_ns);
	bind_known(st, 3, row->ttsp_ns >= 0, row->ttsp_ns);
	bind_known(st, 4, row->stopped_ns >= 0, row->stopped_ns);
	bind_int(st, 5, row->is_pause);
	bind_text(st, 6, row->runtime);
	bind_text(st, 7, row->kind);
	bind_text(st, 8, row->cause);
	bind_known(st, 9, row->tid != 0, row->tid);
	bind_known(st, 10, row->bytes_since_last >= 0, row->bytes_since_last);
	bind_text(st, 11, row->source);
	int rc = mp_statement_run(s, st, err);
	*gc_id = rc ? 0 : sqlite3_last_insert_rowid(s->db);
	return rc;
}

int mp_append_gc_pool(
    struct mp_session *s, int64_t gc_id, const struct mp_gc_pool_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, POOL);

	if (!gc_id)
		return 0;
	bind_int(st, 1, gc_id);
	bind_text(st, 2, row->pool);
	bind_known(st, 3, row->used_before_bytes >= 0, row->used_before_bytes);
	bind_known(st, 4, row->used_after_bytes >= 0, row->used_after_bytes);
	bind_known(st, 5, row->committed_bytes >= 0, row->committed_bytes);
	bind_known(st, 6, row->max_bytes >= 0, row->max_bytes);
	return mp_statement_run(s, st, err);
}

int mp_append_gc_phase(
    struct mp_session *s, int64_t gc_id, const char *name, int64_t t_ns, int64_t dur_ns, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, PHASE);

	if (!gc_id)
		return 0;
	bind_int(st, 1, gc_id);
	bind_text(st, 2, name);
	bind_int(st, 3, t_ns);
	bind_int(st, 4, dur_ns);
	return mp_statement_run(s, st, err);
}

int mp_append_gc_prediction(struct mp_session *s, const struct mp_gc_prediction_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, PREDICTION);

	if (!mp_retention_takes(s, MP_AREA_GC_PREDICTION))
		return 0;
	bind_int(st, 1, row->made_ns);
	bind_text(st, 2, row->runtime);
	bind_text(st, 3, row->kind);
	bind_int(st, 4, row->due_ns);
	bind_int(st, 5, row->lo_ns);
	bind_int(st, 6, row->hi_ns);
	sqlite3_bind_double(st, 7, row->coverage);
	return mp_statement_run(s, st, err);
}

int mp_append_gc_setting(
    struct mp_session *s, const char *runtime, const char *name, const char *value, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, SETTING);

	bind_text(st, 1, runtime);
	bind_text(st, 2, name);
	bind_text(st, 3, value);
	return mp_statement_run(s, st, err);
}

static int put_class(struct mp_session *s, const struct mp_gc_class_row *row, struct mp_err *err)
{
	sqlite3_stmt *name = get(s, CLASS_NAME), *st = get(s, CLASS);

	bind_text(name, 1, row->runtime);
	bind_text(name, 2, row->name);
	bind_int(name, 3, !strcmp(row->name, MP_GC_CLASS_OTHER));
	bind_int(name, 4, MP_GC_CLASS_NAMES);
	int rc = mp_statement_run(s, name, err);
	if (rc)
		return rc;
	bind_int(st, 1, row->slot_ns);
	bind_text(st, 2, row->runtime);
	bind_text(st, 3, row->name);
	bind_int(st, 4, row->object_bytes);
	bind_int(st, 5, row->events);
	bind_int(st, 6, row->bytes);
	return mp_statement_run(s, st, err);
}

int mp_append_gc_class(struct mp_session *s, const struct mp_gc_class_row *row, struct mp_err *err)
{
	struct mp_gc_class_row other = *row;
	int rc = put_class(s, row, err);

	mp_retention_count(s, MP_AREA_SLOT, MP_GC_CLASS_BYTES);
	/* There was no room for the name. */
	if (rc || sqlite3_changes(s->db))
		return rc;
	other.name = MP_GC_CLASS_OTHER;
	return put_class(s, &other, err);
}

int mp_append_pressure(struct mp_session *s, int64_t t_ns, const char *name, double value, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, PRESSURE);

	mp_retention_count(s, MP_AREA_SLOT, MP_PRESSURE_BYTES);
	bind_int(st, 1, t_ns);
	bind_text(st, 2, name);
	sqlite3_bind_double(st, 3, value);
	return mp_statement_run(s, st, err);
}
