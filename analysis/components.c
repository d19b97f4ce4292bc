/* SPDX-License-Identifier: MIT */
#include "analysis/components.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#define COMPONENTS_MAX 65536 /* more than any rules make */

struct rule {
	int64_t rule_id, component_id, min_bytes, max_bytes;
	bool is_of_threads;
};

struct asked { /* of a stack, which rule next */
	int64_t stack_id, rule_id;
};

struct thread {
	int64_t rule_id, tid;
};

struct scope {
	int64_t scope_id, component_id;
};

struct mp_components {
	struct scope *scope;   /* by scope_id */
	struct rule *rule;     /* by rule_id */
	struct asked *asked;   /* by stack_id and rank */
	struct thread *thread; /* by rule_id and tid */
	size_t n_scopes, n_rules, n_asked, n_threads, room;
};

/* Reads rows of at most 5 integers; each is handed to `take` after its memory. */
struct reading {
	struct mp_session *session;
	const char *sql;
	size_t bytes; /* of an element */
	void (*take)(sqlite3_stmt *st, void *element);
};

static int read_rows(const struct reading *r, void **all, size_t *n, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	size_t room = 0;
	int step = SQLITE_ERROR;
	bool is_full = false;

	if (sqlite3_prepare_v2(mp_session_db(r->session), r->sql, -1, &st, NULL) == SQLITE_OK)
		while (!is_full && (step = sqlite3_step(st)) == SQLITE_ROW) {
			if (*n == room) {
				void *more = reallocarray(*all, room = room ? 2 * room : 256, r->bytes);
				is_full = !more;
				*all = more ? more : *all;
			}
			if (!is_full)
				r->take(st, (char *)*all + (*n)++ * r->bytes);
		}
	sqlite3_finalize(st);
	if (is_full)
		return mp_err_set(err, ENOMEM, "out of memory");
	return step == SQLITE_DONE ? 0
				   : mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(r->session),
					 sqlite3_errmsg(mp_session_db(r->session)));
}

/* Whoever wrote the file: what is no id is `other`. */
static int64_t component_id(int64_t id)
{
	return id < 0 || id >= COMPONENTS_MAX ? 0 : id;
}

static void take_scope(sqlite3_stmt *st, void *element)
{
	*(struct scope *)element =
	    (struct scope){sqlite3_column_int64(st, 0), component_id(sqlite3_column_int64(st, 1))};
}

static void take_rule(sqlite3_stmt *st, void *element)
{
	struct rule *r = element;

	*r = (struct rule){sqlite3_column_int64(st, 0), component_id(sqlite3_column_int64(st, 1)),
	    sqlite3_column_int64(st, 2), sqlite3_column_int64(st, 3), sqlite3_column_int(st, 4)};
}

static void take_asked(sqlite3_stmt *st, void *element)
{
	*(struct asked *)element = (struct asked){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)};
}

static void take_thread(sqlite3_stmt *st, void *element)
{
	*(struct thread *)element = (struct thread){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1)};
}

int mp_components_load(struct mp_session *s, struct mp_components **out, struct mp_err *err)
{
	struct mp_components *c = calloc(1, sizeof(*c));
	const struct reading scopes = {s, "SELECT scope_id, component_id FROM component_scope ORDER BY 1",
	    sizeof(struct scope), take_scope};
	const struct reading rules = {s,
	    "SELECT rule_id, component_id, min_bytes, max_bytes, is_of_threads FROM component_rule ORDER BY "
	    "1",
	    sizeof(struct rule), take_rule};
	const struct reading asked = {s,
	    "SELECT stack_id, rule_id FROM component_stack ORDER BY stack_id, rank", sizeof(struct asked),
	    take_asked};
	const struct reading threads = {
	    s, "SELECT rule_id, tid FROM component_thread ORDER BY 1, 2", sizeof(struct thread), take_thread};
	int ret = c ? read_rows(&scopes, (void **)&c->scope, &c->n_scopes, err)
		    : mp_err_set(err, ENOMEM, "out of memory");

	*out = NULL;
	if (!ret)
		ret = read_rows(&rules, (void **)&c->rule, &c->n_rules, err);
	if (!ret)
		ret = read_rows(&asked, (void **)&c->asked, &c->n_asked, err);
	if (!ret)
		ret = read_rows(&threads, (void **)&c->thread, &c->n_threads, err);
	if (ret || !(c->n_rules + c->n_scopes)) {
		mp_components_free(c);
		return ret;
	}
	c->room = 1;
	for (size_t i = 0; i < c->n_rules; i++)
		if ((size_t)c->rule[i].component_id >= c->room)
			c->room = (size_t)c->rule[i].component_id + 1;
	for (size_t i = 0; i < c->n_scopes; i++)
		if ((size_t)c->scope[i].component_id >= c->room)
			c->room = (size_t)c->scope[i].component_id + 1;
	*out = c;
	return 0;
}

void mp_components_free(struct mp_components *c)
{
	if (!c)
		return;
	free(c->scope);
	free(c->rule);
	free(c->asked);
	free(c->thread);
	free(c);
}

bool mp_components_have_scopes(const struct mp_components *c)
{
	return c->n_scopes;
}

size_t mp_components_room(const struct mp_components *c)
{
	return c->room;
}

static const struct rule *find_rule(const struct mp_components *c, int64_t rule_id)
{
	size_t lo = 0, hi = c->n_rules;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->rule[mid].rule_id < rule_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_rules && c->rule[lo].rule_id == rule_id ? &c->rule[lo] : NULL;
}

static bool is_of_thread(const struct mp_components *c, int64_t rule_id, int64_t tid)
{
	size_t lo = 0, hi = c->n_threads;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct thread *t = &c->thread[mid];
		if (t->rule_id < rule_id || (t->rule_id == rule_id && t->tid < tid))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_threads && c->thread[lo].rule_id == rule_id && c->thread[lo].tid == tid;
}

static size_t first_asked(const struct mp_components *c, int64_t stack_id)
{
	size_t lo = 0, hi = c->n_asked;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->asked[mid].stack_id < stack_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct scope *find_scope(const struct mp_components *c, int64_t scope_id)
{
	size_t lo = 0, hi = c->n_scopes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->scope[mid].scope_id < scope_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_scopes && c->scope[lo].scope_id == scope_id ? &c->scope[lo] : NULL;
}

int64_t mp_component_of(
    const struct mp_components *c, int64_t scope_id, int64_t stack_id, int64_t size_bytes, int64_t tid)
{
	const struct scope *scope = scope_id ? find_scope(c, scope_id) : NULL;

	if (scope)
		return scope->component_id;
	for (size_t i = first_asked(c, stack_id); i < c->n_asked && c->asked[i].stack_id == stack_id; i++) {
		const struct rule *r = find_rule(c, c->asked[i].rule_id);
		if (r && size_bytes >= r->min_bytes && size_bytes <= r->max_bytes &&
		    (!r->is_of_threads || is_of_thread(c, r->rule_id, tid)))
			return r->component_id;
	}
	return 0;
}
