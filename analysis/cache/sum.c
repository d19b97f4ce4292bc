/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "analysis/cache/private.h"
#include "analysis/each_row.h"
#include "store/embed.h"
#include "store/histogram.h"

#define KEYS_MAX  262144
#define LINES_MAX (1u << 20)

/* A larger block is an array: an offset in it is no field. */
#define FIELDS_BYTES 65536

#define LINE_BITS  6
#define SETTLED_NS 1000000000LL

const char cache_columns[] = "t_ns, tid, event_id, addr, period, weight, level, tlb, is_write, quality, "
			     "place, object_id, offset, stack_id";
enum column {
	T_NS,
	TID,
	EVENT_ID,
	ADDR,
	PERIOD_,
	WEIGHT_,
	LEVEL,
	TLB,
	IS_WRITE,
	QUALITY,
	PLACE,
	OBJECT_ID,
	OFFSET,
	STACK_ID
};

static int64_t within(sqlite3_value *value, int64_t least, int64_t most, int64_t otherwise)
{
	int64_t v = sqlite3_value_int64(value);

	return sqlite3_value_type(value) == SQLITE_NULL || v < least || v > most ? otherwise : v;
}

static bool is_known(sqlite3_value *value)
{
	return sqlite3_value_type(value) != SQLITE_NULL;
}

/* Where the address lies: of an object, its site. */
static int find_where(struct cache_names *n, sqlite3_value **row, struct cache_sample *c)
{
	c->where = WHERE_NO_ADDRESS;
	c->place = -1;
	if (!c->has_addr)
		return 0;
	c->place = (int)within(row[PLACE], 0, MP_PLACES - 1, MP_PLACE_UNKNOWN);
	c->where = (uint32_t)c->place;
	if (is_known(row[OBJECT_ID])) {
		c->place = MP_PLACE_OBJECT;
		c->object = cache_find_object(n, sqlite3_value_int64(row[OBJECT_ID]));
	}
	if (c->object)
		c->where = c->object->where;
	else if (c->place == MP_PLACE_OBJECT)
		return cache_no_stack(n, &c->where);
	return 0;
}

int cache_read_sample(struct cache_names *n, sqlite3_value **row, struct cache_sample *c)
{
	int event = cache_event_no(n, sqlite3_value_int64(row[EVENT_ID]));

	if (event < 0)
		return 1;
	*c = (struct cache_sample){.t_ns = sqlite3_value_int64(row[T_NS]),
	    .tid = sqlite3_value_int64(row[TID]),
	    .event = (uint32_t)event,
	    .level = (int)within(row[LEVEL], 0, MP_LEVELS - 1, MP_LEVEL_NONE),
	    .tlb = (int)within(row[TLB], 1, 2, 0),
	    .quality = (int)within(row[QUALITY], 0, MP_SAMPLE_QUALITIES - 1, 0),
	    .has_addr = is_known(row[ADDR]),
	    .addr = (uint64_t)sqlite3_value_int64(row[ADDR]),
	    .is_write = sqlite3_value_int64(row[IS_WRITE]) > 0,
	    .has_weight = is_known(row[WEIGHT_]),
	    .weight = within(row[WEIGHT_], 0, INT64_MAX, 0),
	    .period = within(row[PERIOD_], 0, INT64_MAX, 0),
	    .offset = within(row[OFFSET], 0, INT64_MAX, -1)};
	if (__builtin_mul_overflow(c->weight, c->period, &c->latency))
		c->latency = INT64_MAX;
	if (is_known(row[STACK_ID])) {
		int rc = cache_code_no(n, sqlite3_value_int64(row[STACK_ID]), &c->code);

		if (rc)
			return rc;
	}
	return find_where(n, row, c);
}

static bool is_dram(const struct cache_sample *c)
{
	return c->level == MP_LEVEL_LOCAL_DRAM || c->level == MP_LEVEL_REMOTE_DRAM;
}

static int add(struct cache_sums *u, enum cache_group which, const struct cache_sample *c, uint32_t a,
    int64_t b, int64_t weight, int64_t extra)
{
	int64_t key = (int64_t)c->event << 32 | a;
	struct mp_group *row = mp_groups_at(u->group[which], key, b);

	if (row && row->a == MP_GROUPS_REST)
		row = mp_groups_find(u->group[which], (int64_t)c->event << 32 | CACHE_REST, 0);
	if (!row)
		return mp_err_set(u->names.err, ENOMEM, "out of memory");
	mp_groups_add(&row->sum[SAMPLES], 1);
	mp_groups_add(&row->sum[WEIGHT], weight);
	mp_groups_add(&row->sum[PERIOD], c->period);
	mp_groups_add(&row->sum[LATENCY], c->latency);
	mp_groups_add(&row->sum[EXTRA], extra);
	return 0;
}

static int64_t line_of(const struct cache_sample *c)
{
	return (int64_t)(c->addr >> LINE_BITS);
}

static int64_t weight_key(const struct cache_sample *c)
{
	return (int64_t)c->level << 16 | mp_hist_bucket((uint64_t)c->weight);
}

static int64_t offset_key(const struct cache_sample *c)
{
	return (c->offset / 8) << 32 | c->code;
}

/* A line in itself: which threads touched it, and where it lies. */
static int add_line(struct cache_sums *u, const struct cache_sample *c)
{
	int64_t line = line_of(c);
	struct mp_group *row = mp_groups_at(u->lines, line, 0);

	if (!row)
		return mp_err_set(u->names.err, ENOMEM, "out of memory");
	if (row->a == MP_GROUPS_REST) {
		u->left_out++;
		return 0;
	}
	if (!row->sum[LINE_SAMPLES]++) {
		row->sum[LINE_WHERE] = c->where;
		row->sum[LINE_TID] = c->tid;
	}
	row->sum[LINE_FLAGS] |=
	    (c->is_write ? LINE_WRITTEN : 0) | (row->sum[LINE_TID] != c->tid ? LINE_SHARED : 0);
	if (row->sum[LINE_WHERE] != c->where) {
		/* Two objects share it, or were there one after the other. */
		row = mp_groups_at(u->lines, line, (int64_t)c->where + 1);
		if (!row)
			return mp_err_set(u->names.err, ENOMEM, "out of memory");
		if (row->a == MP_GROUPS_REST) {
			u->left_out++;
			return 0;
		}
		row->sum[LINE_WHERE] = c->where;
	}
	row->sum[LINE_MASK] |= (int64_t)cache_bit(c->event, c->level);
	return 0;
}

static int add_size(struct cache_sums *u, const struct cache_object *o)
{
	size_t site = o->where >= WHERE_SITE ? o->where - WHERE_SITE : SIZE_MAX;

	if (site == SIZE_MAX)
		return 0;
	if (site >= u->sizes) {
		size_t n = 2 * site + 64;
		struct size_range *size = realloc(u->size, n * sizeof(*size));

		if (!size)
			return mp_err_set(u->names.err, ENOMEM, "out of memory");
		for (size_t i = u->sizes; i < n; i++)
			size[i] = (struct size_range){UINT64_MAX, 0};
		u->size = size;
		u->sizes = n;
	}
	if (o->size_bytes < u->size[site].least)
		u->size[site].least = o->size_bytes;
	if (o->size_bytes > u->size[site].most)
		u->size[site].most = o->size_bytes;
	return 0;
}

static int add_object_hit(struct cache_sums *u, const struct cache_sample *c, int64_t is_late)
{
	bool is_first = !c->object->mask;
	int rc = 0;

	c->object->mask |= cache_bit(c->event, c->level);
	if (is_first)
		rc = add_size(u, c->object);
	if (!rc && c->offset >= 0 && c->object->size_bytes <= FIELDS_BYTES && c->offset < FIELDS_BYTES)
		rc = add(u, BY_OFFSET, c, c->where, offset_key(c), 0, is_late);
	return rc;
}

static int add_sample(struct cache_sums *u, const struct cache_sample *c)
{
	int64_t is_late = c->t_ns >= u->start_ns + SETTLED_NS;
	int64_t dram = is_dram(c) ? c->latency : 0, dram_period = is_dram(c) ? c->period : 0;
	int64_t phase = cache_phase_at(&u->names, c->t_ns);
	int rc = add(u, BY_CELL, c, c->where, c->level * 4 + c->tlb, c->weight, is_late);

	if (!rc && c->has_weight)
		rc = add(u, BY_WEIGHT, c, c->where, weight_key(c), 0, 0);
	if (!rc)
		rc = add(u, BY_CODE, c, c->code, c->level, c->weight, 0);
	if (!rc)
		rc = add(u, BY_THREAD, c, 0, c->tid, dram_period, dram);
	if (!rc && phase > -2)
		rc = add(u, BY_PHASE, c, 0, phase, dram_period, dram);
	if (!rc)
		rc = add(u, BY_PLACE, c, 0, c->quality << 8 | (c->place + 1), c->has_weight, c->is_write);
	if (!rc && c->has_addr)
		rc = add_line(u, c);
	if (!rc && c->object)
		rc = add_object_hit(u, c, is_late);
	return rc;
}

/* The large tables, in which each key is somewhere else: most of the time of a pass would be waiting for
 * them. */
static void prefetch(const struct cache_sums *u, const struct cache_sample *c, enum mp_groups_part part)
{
	int64_t where = (int64_t)c->event << 32 | c->where;

	if (c->has_addr)
		mp_groups_prefetch(u->lines, line_of(c), 0, part);
	if (c->has_weight)
		mp_groups_prefetch(u->group[BY_WEIGHT], where, weight_key(c), part);
	if (c->object)
		mp_groups_prefetch(u->group[BY_OFFSET], where, offset_key(c), part);
}

static int flush(struct cache_sums *u)
{
	int rc = 0;

	for (size_t i = 0; i < u->waiting; i++)
		prefetch(u, &u->batch[i], MP_GROUPS_PLACE);
	for (size_t i = 0; i < u->waiting; i++)
		prefetch(u, &u->batch[i], MP_GROUPS_ROW);
	for (size_t i = 0; !rc && i < u->waiting; i++)
		rc = add_sample(u, &u->batch[i]);
	u->waiting = 0;
	return rc;
}

static int take_sample(void *ctx, sqlite3_value **value)
{
	struct cache_sums *u = ctx;
	int rc = cache_read_sample(&u->names, value, &u->batch[u->waiting]);

	if (rc)
		return rc > 0 ? 0 : rc;
	return ++u->waiting < CACHE_BATCH ? 0 : flush(u);
}

/* With a row of each event for what comes after the largest number of keys. */
static int new_sums(struct cache_sums *u, struct mp_err *err)
{
	bool have = (u->lines = mp_groups_new(LINES_MAX));

	for (int i = 0; have && i < CACHE_GROUPS; i++) {
		have = (u->group[i] = mp_groups_new(KEYS_MAX));
		for (int64_t event = 0; have && event < u->names.events; event++)
			have = mp_groups_at(u->group[i], event << 32 | CACHE_REST, 0);
	}
	return have ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

static void free_sums(struct cache_sums *u)
{
	cache_names_free(&u->names);
	for (int i = 0; i < CACHE_GROUPS; i++)
		mp_groups_free(u->group[i]);
	mp_groups_free(u->lines);
	free(u->size);
}

static int run(
    struct mp_session *s, const char *path, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = mp_report_prepare(s, path, scope, &stmt, err);

	if (!rc && sqlite3_step(stmt) != SQLITE_DONE)
		rc = mp_err_set(err, EIO, "cannot read %s: %s: %s", mp_session_path(s), path,
		    sqlite3_errmsg(mp_session_db(s)));
	sqlite3_finalize(stmt);
	return rc;
}

int mp_cache_begin(struct mp_session *s, struct mp_err *err)
{
	if (sqlite3_exec(mp_session_db(s), mp_embedded_text("sql/cache/tables.sql"), NULL, NULL, NULL) ==
	    SQLITE_OK)
		return 0;
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int sum(
    struct cache_sums *u, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	char *sql = sqlite3_mprintf("SELECT 1 FROM sample WHERE CASE WHEN t_ns >= ?1 AND t_ns < ?2"
				    " AND (?3 = 0 OR tid = ?3) THEN mp_take(?4, %s) END",
	    cache_columns);
	int rc =
	    sql ? mp_each_row(s, sql, scope, take_sample, u, err) : mp_err_set(err, ENOMEM, "out of memory");

	sqlite3_free(sql);
	return rc ? rc : flush(u);
}

int mp_cache_sum(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	static const char *const steps[] = {"sql/cache/fill_event.sql", "sql/cache/fill_site.sql",
	    "sql/cache/fill_hot.sql", "sql/cache/fill_coverage.sql"};
	struct cache_sums u = {.start_ns = scope->start_ns};
	int rc = run(s, "sql/cache/fill_event_no.sql", scope, err);

	if (!rc)
		rc = cache_names_load(&u.names, s, scope, err);
	if (!rc)
		rc = new_sums(&u, err);
	if (!rc)
		rc = sum(&u, s, scope, err);
	if (!rc)
		rc = cache_write(&u, s, err);
	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(*steps); i++)
		rc = run(s, steps[i], scope, err);
	if (!rc)
		rc = cache_find_sharing(&u, s, scope, err);
	if (!rc)
		rc = run(s, "sql/cache/fill_line.sql", scope, err);
	free_sums(&u);
	return rc;
}

int mp_cache_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3 *db = mp_session_db(s);

	/* In memory: where a session is read there may be no room for a file. */
	sqlite3_exec(db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
	int rc = mp_cache_begin(s, err);
	if (!rc)
		rc = mp_cache_sum(s, scope, err);
	sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
	return rc;
}
