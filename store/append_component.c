/* SPDX-License-Identifier: MIT */
#include "store/append_component.h"

#include "store/bind.h"

enum statement { COMPONENT, RULE, THREAD, STACK, STATEMENTS };

_Static_assert(MP_SESSION_FIRST_OF_COMPONENTS + STATEMENTS <= MP_SESSION_FIRST_OF_BLOCKS,
    "struct mp_session has room for all statements");

static const char *const sql[STATEMENTS] = {
    [COMPONENT] = "INSERT INTO component (component_id, name) VALUES (?,?)",
    [RULE] = "INSERT INTO component_rule (rule_id, component_id, min_bytes, max_bytes, is_of_threads)"
	     " VALUES (?,?,?,?,?)",
    [THREAD] = "INSERT OR IGNORE INTO component_thread (rule_id, tid) VALUES (?,?)",
    [STACK] = "INSERT INTO component_stack (stack_id, rank, rule_id) VALUES (?,?,?)",
};

static sqlite3_stmt *get(struct mp_session *s, enum statement which)
{
	sqlite3_stmt **st = &s->statement[MP_SESSION_FIRST_OF_COMPONENTS + which];

	if (!*st)
		sqlite3_prepare_v3(s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	return *st;
}

int mp_clear_components(struct mp_session *s, struct mp_err *err)
{
	static const char clear[] = "DELETE FROM component; DELETE FROM component_rule;"
				    "DELETE FROM component_thread; DELETE FROM component_stack";

	return sqlite3_exec(s->db, clear, NULL, NULL, NULL) == SQLITE_OK ? 0
									 : mp_session_fail(s, "write", err);
}

int mp_append_component(struct mp_session *s, int64_t component_id, const char *name, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, COMPONENT);

	bind_int(st, 1, component_id);
	bind_text(st, 2, name);
	return mp_statement_run(s, st, err);
}

int mp_append_component_rule(
    struct mp_session *s, const struct mp_component_rule_row *row, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, RULE);

	bind_int(st, 1, row->rule_id);
	bind_int(st, 2, row->component_id);
	bind_count(st, 3, row->min_bytes);
	bind_count(st, 4, row->max_bytes);
	bind_int(st, 5, row->is_of_threads);
	return mp_statement_run(s, st, err);
}

int mp_append_component_thread(struct mp_session *s, int64_t rule_id, int64_t tid, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, THREAD);

	bind_int(st, 1, rule_id);
	bind_int(st, 2, tid);
	return mp_statement_run(s, st, err);
}

int mp_append_component_stack(
    struct mp_session *s, int64_t stack_id, int64_t rank, int64_t rule_id, struct mp_err *err)
{
	sqlite3_stmt *st = get(s, STACK);

	bind_int(st, 1, stack_id);
	bind_int(st, 2, rank);
	bind_int(st, 3, rule_id);
	return mp_statement_run(s, st, err);
}

/* Seldom. */
int mp_append_component_scope(struct mp_session *s, int64_t scope_id, const char *name, struct mp_err *err)
{
	static const char insert[] =
	    "INSERT INTO component_scope (scope_id, name, component_id) VALUES (?1, ?2, 0)";
	sqlite3_stmt *st = NULL;

	sqlite3_prepare_v2(s->db, insert, -1, &st, NULL);
	bind_int(st, 1, scope_id);
	bind_text(st, 2, name);
	int rc = mp_statement_run(s, st, err);
	sqlite3_finalize(st);
	return rc ? rc : mp_append_scoped_components(s, err);
}

int mp_append_scoped_components(struct mp_session *s, struct mp_err *err)
{
	static const char add[] =
	    "INSERT OR IGNORE INTO component (component_id, name) SELECT 0, 'other' FROM component_scope "
	    "LIMIT 1;"
	    "INSERT INTO component (component_id, name)"
	    " SELECT (SELECT max(component_id) FROM component) + row_number() OVER (ORDER BY scope_id), name"
	    " FROM component_scope WHERE name NOT IN (SELECT name FROM component);"
	    "UPDATE component_scope SET component_id ="
	    " (SELECT component_id FROM component WHERE component.name = component_scope.name)";

	return sqlite3_exec(s->db, add, NULL, NULL, NULL) == SQLITE_OK ? 0 : mp_session_fail(s, "write", err);
}
