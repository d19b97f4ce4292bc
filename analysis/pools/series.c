/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
#include "analysis/phase.h"
#include "analysis/pools/private.h"

static int fail(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int out_of_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

/* ---- Phases ---- */

/* The number of a name, which is copied; -ENOMEM. */
static int name_id(struct pool_phases *p, const char *text)
{
	for (size_t i = 0; i < p->names; i++)
		if (!strcmp(p->name[i], text))
			return (int)i;
	if (!(p->name[p->names] = strdup(text)))
		return -ENOMEM;
	return (int)p->names++;
}

static int load_all(struct mp_session *s, int64_t now_ns, struct pool_phases *out, struct mp_phase_part *all,
    size_t *n, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0, step = SQLITE_DONE;

	if (sqlite3_prepare_v2(mp_session_db(s),
		"SELECT start_ns, CASE WHEN end_ns <= ?1 THEN end_ns END, name FROM phase"
		" WHERE start_ns BETWEEN 0 AND ?1 - 1 ORDER BY start_ns, phase_id",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(s, err);
	sqlite3_bind_int64(stmt, 1, now_ns);
	while (!rc && *n < POOL_PHASES && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 2);
		bool is_open = sqlite3_column_type(stmt, 1) == SQLITE_NULL;
		int id = name_id(out, name ? name : "");

		if (id < 0)
			rc = out_of_memory(err);
		else
			all[(*n)++] = (struct mp_phase_part){sqlite3_column_int64(stmt, 0),
			    is_open ? INT64_MAX : sqlite3_column_int64(stmt, 1), id};
	}
	if (!rc && step != SQLITE_DONE && step != SQLITE_ROW)
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	return rc;
}

int pool_phases_load(struct mp_session *s, int64_t now_ns, struct pool_phases *out, struct mp_err *err)
{
	struct mp_phase_part *all = calloc(3 * POOL_PHASES, sizeof(*all)), *parts = all + POOL_PHASES;
	size_t n = 0;

	*out = (struct pool_phases){.phase = calloc(2 * POOL_PHASES, sizeof(*out->phase)),
	    .name = calloc(POOL_PHASES, sizeof(*out->name))};
	int rc = all && out->phase && out->name ? load_all(s, now_ns, out, all, &n, err) : out_of_memory(err);
	ptrdiff_t n_parts = rc ? 0 : mp_phase_innermost(all, n, parts);
	if (n_parts < 0)
		rc = out_of_memory(err);
	for (ptrdiff_t i = 0; i < n_parts; i++)
		out->phase[out->n++] =
		    (struct mp_pool_phase){parts[i].start_ns, parts[i].end_ns, (int)parts[i].id};
	free(all);
	return rc;
}

void pool_phases_clear(struct pool_phases *p)
{
	for (size_t i = 0; i < p->names; i++)
		free(p->name[i]);
	free(p->name);
	free(p->phase);
	*p = (struct pool_phases){0};
}

/* ---- Slots ---- */

static int64_t within(int64_t v, int64_t least, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

static struct mp_pool_slot *add_slot(struct pool_series *p)
{
	if (p->course.slots == p->room) {
		size_t room = p->room ? p->room * 2 : 1024;
		struct mp_pool_slot *slot = realloc(p->slot, room * sizeof(*slot));

		if (!slot)
			return NULL;
		p->slot = slot;
		p->room = room;
	}
	return &p->slot[p->course.slots++];
}

/* How full it was at the end of its last slot before from_ns: a slot in which nothing happened has no row. */
static int load_before(struct mp_session *s, int64_t pool_id, int64_t slots_ns, int64_t from_ns,
    struct pool_series *p, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	struct mp_pool_slot *slot;
	int rc = 0;

	if (slots_ns == INT64_MIN)
		return 0;
	if (sqlite3_prepare_v2(mp_session_db(s),
		"SELECT coalesce(in_use_last, in_use_max) FROM pool_use WHERE pool_id = ?1 AND slot_ns < ?2"
		" ORDER BY slot_ns DESC LIMIT 1",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(s, err);
	sqlite3_bind_int64(stmt, 1, pool_id);
	sqlite3_bind_int64(stmt, 2, slots_ns);
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t last = within(sqlite3_column_int64(stmt, 0), -MP_POOL_MOST, MP_POOL_MOST);

		if (!(slot = add_slot(p)))
			rc = out_of_memory(err);
		else
			*slot = (struct mp_pool_slot){.t_ns = from_ns - 1,
			    .dur_ns = 1,
			    .in_use_min = last,
			    .in_use_max = last,
			    .in_use_last = last};
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* The count of a pool that was in use before the recording falls below 0 at any time of it, also outside of
 * what is looked at. */
static int load_least(struct mp_session *s, int64_t pool_id, const struct mp_report_scope *scope,
    struct pool_series *p, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (scope->from_ns == INT64_MIN && scope->to_ns == INT64_MAX)
		return 0;
	if (sqlite3_prepare_v2(mp_session_db(s), "SELECT min(in_use_min) FROM pool_use WHERE pool_id = ?1",
		-1, &stmt, NULL) != SQLITE_OK)
		return fail(s, err);
	sqlite3_bind_int64(stmt, 1, pool_id);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		p->least = within(sqlite3_column_int64(stmt, 0), -MP_POOL_MOST, 0);
	else
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	return rc;
}

enum { T_NS, DUR_NS, IN_USE_MIN, IN_USE_MAX, IN_USE_LAST, GETS, PUTS, FAILURES };

static int64_t value_within(sqlite3_value *value, int64_t least, int64_t most)
{
	return within(sqlite3_value_int64(value), least, most);
}

/* Older versions did not tell what was in use at the end of a slot. */
static int64_t last_of(sqlite3_value *told, const struct mp_pool_slot *slot, int64_t before)
{
	int64_t last = sqlite3_value_type(told) == SQLITE_NULL ? before + slot->gets - slot->puts
							       : sqlite3_value_int64(told);

	return within(last, slot->in_use_min, slot->in_use_max);
}

static int take_slot(void *ctx, sqlite3_value **row)
{
	struct pool_series *p = ctx;
	struct mp_pool_slot *slot = add_slot(p);

	if (!slot)
		return -ENOMEM;
	struct mp_pool_slot *before = p->course.slots > 1 ? slot - 1 : NULL;
	int64_t high = value_within(row[IN_USE_MAX], -MP_POOL_MOST, MP_POOL_MOST);

	*slot = (struct mp_pool_slot){.t_ns = sqlite3_value_int64(row[T_NS]),
	    .dur_ns = value_within(row[DUR_NS], 1, INT64_MAX / 4),
	    .in_use_max = high,
	    .in_use_min = value_within(row[IN_USE_MIN], -MP_POOL_MOST, high),
	    .gets = value_within(row[GETS], 0, MP_POOL_MOST),
	    .puts = value_within(row[PUTS], 0, MP_POOL_MOST),
	    .failures = value_within(row[FAILURES], 0, MP_POOL_MOST)};
	slot->in_use_last = last_of(row[IN_USE_LAST], slot, before ? before->in_use_last : 0);
	if (slot->in_use_min < p->least)
		p->least = slot->in_use_min;
	if (before && before->t_ns + before->dur_ns > slot->t_ns)
		before->dur_ns = slot->t_ns - before->t_ns;
	return 0;
}

static int load_slots(struct mp_session *s, int64_t pool_id, const struct mp_report_scope *scope,
    struct pool_series *p, struct mp_err *err)
{
	/* A session may come from anybody: times are kept where a slot's length can be added. The third
	 * parameter is free here: it says which pool. */
	const struct mp_report_scope of_pool = {.from_ns = scope->slots_ns > 0 ? scope->slots_ns : 0,
	    .to_ns = within(scope->to_ns, 0, INT64_MAX / 4),
	    .tid = pool_id};
	const char *sql =
	    p->has_long_slots
		? "SELECT 1 FROM pool_use AS u LEFT JOIN slot ON slot.slot_ns = u.slot_ns"
		  " WHERE pool_id = ?3 AND u.slot_ns >= ?1 AND u.slot_ns < ?2 AND mp_take(?4, u.slot_ns,"
		  " coalesce(dur_ns, 1000000000), in_use_min, in_use_max, in_use_last, gets, puts,"
		  " failures)"
		: "SELECT 1 FROM pool_use WHERE pool_id = ?3 AND slot_ns >= ?1 AND slot_ns < ?2"
		  " AND mp_take(?4, slot_ns, 1000000000, in_use_min, in_use_max, in_use_last, gets,"
		  " puts, failures)";
	int rc = mp_each_row(s, sql, &of_pool, take_slot, p, err);

	return rc == -ENOMEM ? out_of_memory(err) : rc;
}

static int take_look(void *ctx, sqlite3_value **row)
{
	struct pool_series *p = ctx;
	struct mp_pool_slot *slot = add_slot(p);

	if (!slot)
		return -ENOMEM;
	int64_t used = value_within(row[1], 0, MP_POOL_MOST);
	*slot = (struct mp_pool_slot){.t_ns = sqlite3_value_int64(row[0]),
	    .dur_ns = 1,
	    .in_use_min = used,
	    .in_use_max = used,
	    .in_use_last = used};
	return 0;
}

/* A heap, of which nothing is known but how it looked now and then. */
static int load_looks(struct mp_session *s, int64_t pool_id, const struct mp_report_scope *scope,
    struct pool_series *p, struct mp_err *err)
{
	/* The third parameter is free here: it says which pool. */
	const struct mp_report_scope of_pool = {.from_ns = scope->from_ns > 0 ? scope->from_ns : 0,
	    .to_ns = within(scope->to_ns, 0, INT64_MAX / 4),
	    .tid = pool_id};
	int rc = mp_each_row(s,
	    "SELECT 1 FROM pool_heap WHERE pool_id = ?3 AND t_ns >= ?1 AND t_ns < ?2"
	    " AND mp_take(?4, t_ns, used_bytes)",
	    &of_pool, take_look, p, err);

	p->is_heap = p->course.slots > 0;
	return rc == -ENOMEM ? out_of_memory(err) : rc;
}

int pool_series_begin(struct mp_session *s, struct pool_series *out, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	*out = (struct pool_series){0};
	if (sqlite3_prepare_v2(mp_session_db(s),
		"SELECT EXISTS (SELECT 1 FROM slot WHERE dur_ns >= 2000000000)", -1, &stmt,
		NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		rc = fail(s, err);
	else
		out->has_long_slots = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

int pool_series_load(struct mp_session *s, const struct pool_who *who, const struct pool_phases *phases,
    const struct mp_report_scope *scope, int64_t from_ns, int64_t now_ns, struct pool_series *p,
    struct mp_err *err)
{
	struct mp_pool_course *c = &p->course;

	*c = (struct mp_pool_course){.from_ns = from_ns > who->created_ns ? from_ns : who->created_ns,
	    .to_ns = now_ns < who->destroyed_ns ? now_ns : who->destroyed_ns,
	    .capacity = within(who->capacity, 0, MP_POOL_MOST),
	    .phase = phases->phase,
	    .phases = phases->n};
	p->least = 0;
	int rc = load_before(s, who->pool_id, scope->slots_ns, from_ns, p, err);
	if (!rc)
		rc = load_least(s, who->pool_id, scope, p, err);
	if (!rc)
		rc = load_slots(s, who->pool_id, scope, p, err);
	p->is_heap = false;
	if (!rc && !c->slots)
		rc = load_looks(s, who->pool_id, scope, p, err);
	if (rc)
		return rc;
	c->slot = p->slot;
	p->in_use = c->slots ? p->slot[c->slots - 1].in_use_last : 0;
	for (size_t i = 0; i < c->slots && p->least; i++) {
		p->slot[i].in_use_min -= p->least;
		p->slot[i].in_use_max -= p->least;
		p->slot[i].in_use_last -= p->least;
	}
	p->is_known = c->slots && !mp_pool_course_check(c);
	return 0;
}

void pool_series_clear(struct pool_series *p)
{
	free(p->slot);
	*p = (struct pool_series){0};
}
