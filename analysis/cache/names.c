/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/cache/private.h"
#include "analysis/each_row.h"
#include "analysis/phase.h"

/* More than any honest session has. */
#define NAMES_MAX   65536
#define PHASES_MAX  65536
#define STACKS_MAX  262144
#define OBJECTS_MAX (1u << 21)
#define TEXT_MAX    512

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static int fail(struct cache_names *n)
{
	return mp_err_set(
	    n->err, EIO, "cannot read %s: %s", mp_session_path(n->s), sqlite3_errmsg(mp_session_db(n->s)));
}

static int64_t label(struct mp_labels *labels, const char *text)
{
	return mp_labels_id(labels, text, strnlen(text, TEXT_MAX));
}

/* The number + 1 of the text that `stmt` tells of a stack: each stack is asked for once. */
static int number_of_stack(struct cache_names *n, sqlite3_stmt *stmt, struct mp_groups *known,
    struct mp_labels *labels, int64_t stack_id, uint32_t *number)
{
	struct mp_group *row = mp_groups_at(known, stack_id, 0);
	int64_t id = MP_GROUPS_REST;

	if (!row)
		return no_memory(n->err);
	if (row->a != MP_GROUPS_REST && row->sum[0]) {
		*number = (uint32_t)row->sum[0];
		return 0;
	}
	sqlite3_reset(stmt);
	sqlite3_bind_int64(stmt, 1, stack_id);
	int step = sqlite3_step(stmt);
	const char *text = step == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		return fail(n);
	id = label(labels, text ? text : "[no stack]");
	sqlite3_reset(stmt);
	if (id == -ENOMEM)
		return no_memory(n->err);
	*number = id == MP_GROUPS_REST ? CODE_REST : (uint32_t)id + 1;
	if (row->a != MP_GROUPS_REST)
		row->sum[0] = *number;
	return 0;
}

static int where_of_stack(struct cache_names *n, int64_t stack_id, uint32_t *where)
{
	uint32_t number = CODE_REST;
	int rc = number_of_stack(n, n->site, n->site_of, n->sites, stack_id, &number);

	*where = number == CODE_REST ? MP_PLACE_OBJECT : WHERE_SITE + number - 1;
	return rc;
}

int cache_no_stack(struct cache_names *n, uint32_t *where)
{
	int64_t id = label(n->sites, "[no stack]");

	if (id == -ENOMEM)
		return no_memory(n->err);
	*where = id == MP_GROUPS_REST ? MP_PLACE_OBJECT : WHERE_SITE + (uint32_t)id;
	return 0;
}

int cache_code_no(struct cache_names *n, int64_t stack_id, uint32_t *code)
{
	return number_of_stack(n, n->code, n->code_of, n->codes, stack_id, code);
}

/* Room for one more in an array that doubles. */
static bool has_room(void **array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 64;

	if (n < *room)
		return true;
	void *grown = realloc(*array, more * size);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

static int add_object(void *ctx, sqlite3_value **row)
{
	struct cache_names *n = ctx;

	if (n->objects == OBJECTS_MAX)
		return 0;
	if (!has_room((void **)&n->object, n->objects, &n->object_room, sizeof(*n->object)))
		return no_memory(n->err);
	int64_t size = sqlite3_value_int64(row[1]);
	struct cache_object *o = &n->object[n->objects++];
	*o = (struct cache_object){
	    .object_id = sqlite3_value_int64(row[0]), .size_bytes = size > 0 ? (uint64_t)size : 0};
	if (sqlite3_value_type(row[2]) == SQLITE_NULL)
		return cache_no_stack(n, &o->where);
	return where_of_stack(n, sqlite3_value_int64(row[2]), &o->where);
}

static int add_phase(void *ctx, sqlite3_value **row)
{
	struct cache_names *n = ctx;
	const char *name = (const char *)sqlite3_value_text(row[2]);

	if (n->n_phases == PHASES_MAX)
		return 0;
	if (!has_room((void **)&n->phase, n->n_phases, &n->phase_room, sizeof(*n->phase)))
		return no_memory(n->err);
	int64_t id = label(n->phases, name ? name : "");
	if (id == -ENOMEM)
		return no_memory(n->err);
	n->phase[n->n_phases++] = (struct cache_phase){.start_ns = sqlite3_value_int64(row[0]),
	    .end_ns = sqlite3_value_type(row[1]) == SQLITE_NULL ? INT64_MAX : sqlite3_value_int64(row[1]),
	    .name = id};
	return 0;
}

static int add_event(void *ctx, sqlite3_value **row)
{
	struct cache_names *n = ctx;

	if (n->events < CACHE_EVENTS)
		n->event_id[n->events++] = sqlite3_value_int64(row[0]);
	return 0;
}

/* One at a time. */
static int find_innermost(struct cache_names *n)
{
	struct mp_phase_part *all = calloc(3 * n->n_phases + 1, sizeof(*all)), *parts = all + n->n_phases;
	struct cache_phase *phase = calloc(2 * n->n_phases + 1, sizeof(*phase));

	for (size_t i = 0; all && i < n->n_phases; i++)
		all[i] = (struct mp_phase_part){n->phase[i].start_ns, n->phase[i].end_ns, n->phase[i].name};
	ptrdiff_t n_parts = all && phase ? mp_phase_innermost(all, n->n_phases, parts) : -ENOMEM;
	for (ptrdiff_t i = 0; i < n_parts; i++)
		phase[i] = (struct cache_phase){
		    .start_ns = parts[i].start_ns, .end_ns = parts[i].end_ns, .name = parts[i].id};
	free(all);
	if (n_parts < 0) {
		free(phase);
		return no_memory(n->err);
	}
	free(n->phase);
	n->phase = phase;
	n->n_phases = n->phase_room = (size_t)n_parts;
	return 0;
}

int cache_names_load(
    struct cache_names *n, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);

	*n = (struct cache_names){.s = s,
	    .err = err,
	    .sites = mp_labels_new(NAMES_MAX),
	    .codes = mp_labels_new(NAMES_MAX),
	    .phases = mp_labels_new(NAMES_MAX),
	    .site_of = mp_groups_new(STACKS_MAX),
	    .code_of = mp_groups_new(STACKS_MAX)};
	if (!n->sites || !n->codes || !n->phases || !n->site_of || !n->code_of)
		return no_memory(err);
	if (sqlite3_prepare_v2(db, "SELECT site FROM stack_site WHERE stack_id = ?", -1, &n->site, NULL) !=
		SQLITE_OK ||
	    sqlite3_prepare_v2(db,
		"SELECT name FROM stack_frame JOIN frame_name USING (frame_id) WHERE stack_id = ? AND depth "
		"= 0",
		-1, &n->code, NULL) != SQLITE_OK)
		return fail(n);
	int rc =
	    mp_each_row(s, "SELECT 1 FROM temp.cache_event_no WHERE mp_take(?4, event_id) ORDER BY event_no",
		scope, add_event, n, err);
	if (!rc)
		rc = mp_each_row(s,
		    "SELECT 1 FROM object WHERE mp_take(?4, object_id, size_bytes, stack_id) ORDER BY "
		    "object_id",
		    scope, add_object, n, err);
	if (!rc)
		rc = mp_each_row(s, "SELECT 1 FROM phase WHERE mp_take(?4, start_ns, end_ns, name)", scope,
		    add_phase, n, err);
	return rc || !n->n_phases ? rc : find_innermost(n);
}

void cache_names_free(struct cache_names *n)
{
	sqlite3_finalize(n->site);
	sqlite3_finalize(n->code);
	mp_labels_free(n->sites);
	mp_labels_free(n->codes);
	mp_labels_free(n->phases);
	mp_groups_free(n->site_of);
	mp_groups_free(n->code_of);
	free(n->object);
	free(n->phase);
}

/* Samples of an event come in rows. */
int cache_event_no(struct cache_names *n, int64_t event_id)
{
	if (n->last_event < n->events && n->event_id[n->last_event] == event_id)
		return (int)n->last_event;
	for (uint32_t i = 0; i < n->events; i++)
		if (n->event_id[i] == event_id)
			return (int)(n->last_event = i);
	return -1;
}

struct cache_object *cache_find_object(struct cache_names *n, int64_t object_id)
{
	size_t lo = 0, hi = n->objects;

	/* They are numbered from 1 on without a gap, where a recorder of ours wrote them. */
	if (object_id > 0 && (uint64_t)object_id <= n->objects &&
	    n->object[object_id - 1].object_id == object_id)
		return &n->object[object_id - 1];
	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (n->object[middle].object_id < object_id)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < n->objects && n->object[lo].object_id == object_id ? &n->object[lo] : NULL;
}

/* The last one that has begun, if it has not ended. */
int64_t cache_phase_at(struct cache_names *n, int64_t t_ns)
{
	size_t lo = 0, hi = n->n_phases, at = n->last_phase;

	if (!n->n_phases)
		return -2;
	if (!(n->phase[at].start_ns <= t_ns && (at + 1 == n->n_phases || t_ns < n->phase[at + 1].start_ns))) {
		while (lo < hi) {
			size_t middle = lo + (hi - lo) / 2;

			if (n->phase[middle].start_ns <= t_ns)
				lo = middle + 1;
			else
				hi = middle;
		}
		if (!lo)
			return -1;
		n->last_phase = at = lo - 1;
	}
	return t_ns < n->phase[at].end_ns ? n->phase[at].name : -1;
}
