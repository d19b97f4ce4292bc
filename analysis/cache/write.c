/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "analysis/cache/private.h"
#include "store/histogram.h"

static int fail(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot analyse %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int prepare(struct mp_session *s, const char *sql, sqlite3_stmt **stmt, struct mp_err *err)
{
	return sqlite3_prepare_v2(mp_session_db(s), sql, -1, stmt, NULL) == SQLITE_OK ? 0 : fail(s, err);
}

static int finish(struct mp_session *s, sqlite3_stmt *stmt, struct mp_err *err)
{
	int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(s, err);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

static const char *const tables[CACHE_GROUPS] = {
    [BY_CELL] = "INSERT INTO cache_cell VALUES (?,?,?,?,?,?,?,?,?)",
    [BY_OFFSET] = "INSERT INTO cache_offset VALUES (?,?,?,?,?,?,?,?,?)",
    [BY_CODE] = "INSERT INTO cache_code VALUES (?,?,?,?,?,?,?,?,?)",
    [BY_THREAD] = "INSERT INTO cache_thread VALUES (?,?,?,?,?,?,?,?,?)",
    [BY_PHASE] = "INSERT INTO cache_phase VALUES (?,?,?,?,?,?,?,?,?)",
    [BY_PLACE] = "INSERT INTO cache_place VALUES (?,?,?,?,?,?,?,?,?)",
};

static void bind_code(sqlite3_stmt *stmt, int i, const struct cache_names *n, int64_t code)
{
	if (code == CACHE_REST || code == CODE_REST)
		sqlite3_bind_text(stmt, i, "[other functions]", -1, SQLITE_STATIC);
	else if (code != CODE_NONE)
		sqlite3_bind_text(stmt, i, mp_labels_text(n->codes, code - 1), -1, SQLITE_STATIC);
}

/* Columns 2 to 4: what the parts of the key stand for; what is not bound is NULL. */
static void bind_key(
    sqlite3_stmt *stmt, enum cache_group which, int64_t a, int64_t b, const struct cache_names *n)
{
	bool is_rest = a == CACHE_REST;

	switch (which) {
	case BY_CELL:
		sqlite3_bind_int64(stmt, 2, is_rest ? -1 : a);
		sqlite3_bind_int64(stmt, 3, b / 4);
		sqlite3_bind_int64(stmt, 4, b % 4);
		break;
	case BY_OFFSET:
		sqlite3_bind_int64(stmt, 2, is_rest ? -1 : a);
		sqlite3_bind_int64(stmt, 3, b >> 32);
		bind_code(stmt, 4, n, b & 0xffffffff);
		break;
	case BY_CODE:
		bind_code(stmt, 2, n, a);
		sqlite3_bind_int64(stmt, 3, b);
		break;
	case BY_THREAD:
		if (!is_rest)
			sqlite3_bind_int64(stmt, 3, b);
		break;
	case BY_PHASE:
		if (!is_rest && b >= 0)
			sqlite3_bind_text(stmt, 2, mp_labels_text(n->phases, b), -1, SQLITE_STATIC);
		break;
	default:
		sqlite3_bind_int64(stmt, 3, b >> 8);
		if (b & 0xff)
			sqlite3_bind_int64(stmt, 4, (b & 0xff) - 1);
	}
}

/* Of events that tell how long an access took, that is what counts; of others, how often. */
static uint64_t events_with_weight(const struct cache_sums *u)
{
	uint64_t told = 0;
	size_t n;
	const struct mp_group *row = mp_groups_all(u->group[BY_PLACE], &n);

	for (size_t i = 0; i < n; i++)
		if (row[i].sum[WEIGHT])
			told |= 1ULL << (row[i].a >> 32);
	return told;
}

static int write_group(
    struct cache_sums *u, struct mp_session *s, enum cache_group which, uint64_t told, struct mp_err *err)
{
	bool is_dram = which == BY_THREAD || which == BY_PHASE;
	sqlite3_stmt *insert = NULL;
	size_t n;
	const struct mp_group *row = mp_groups_all(u->group[which], &n);
	int rc = prepare(s, tables[which], &insert, err);

	for (size_t i = 0; !rc && i < n; i++) {
		int64_t event = row[i].a >> 32;
		bool is_told = told >> event & 1;

		if (!row[i].sum[SAMPLES])
			continue;
		sqlite3_bind_int64(insert, 1, event);
		bind_key(insert, which, row[i].a & 0xffffffff, row[i].b, &u->names);
		sqlite3_bind_int64(insert, 5, row[i].sum[SAMPLES]);
		sqlite3_bind_int64(insert, 6, row[i].sum[WEIGHT]);
		sqlite3_bind_int64(insert, 7, row[i].sum[PERIOD]);
		sqlite3_bind_int64(insert, 8, row[i].sum[is_told ? LATENCY : PERIOD]);
		sqlite3_bind_int64(insert, 9, row[i].sum[is_dram && !is_told ? WEIGHT : EXTRA]);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	return rc;
}

/* One bucket of the weights of an event, where and level. */
struct bucket {
	int64_t a, b; /* as in the group's key */
	int64_t events;
};

static int by_key(const void *x, const void *y)
{
	const struct bucket *p = x, *q = y;

	return p->a != q->a ? (p->a > q->a) - (p->a < q->a) : (p->b > q->b) - (p->b < q->b);
}

static int64_t middle(int64_t bucket)
{
	unsigned int b = bucket & 0xffff;

	return (int64_t)((mp_hist_lo_ns(b) + mp_hist_hi_ns(b)) / 2);
}

/* p50 and p99 of `n` buckets in order: nearest rank. */
static int write_quantile(
    struct mp_session *s, sqlite3_stmt *insert, const struct bucket *bucket, size_t n, struct mp_err *err)
{
	int64_t events = 0, upto = 0, p50 = -1, p99 = -1;

	for (size_t i = 0; i < n; i++)
		mp_groups_add(&events, bucket[i].events);
	for (size_t i = 0; i < n && p99 < 0; i++) {
		mp_groups_add(&upto, bucket[i].events);
		if (p50 < 0 && upto >= events - events / 2)
			p50 = middle(bucket[i].b);
		if (upto >= events - events / 100)
			p99 = middle(bucket[i].b);
	}
	int64_t where = bucket->a & 0xffffffff;
	sqlite3_bind_int64(insert, 1, bucket->a >> 32);
	sqlite3_bind_int64(insert, 2, where == CACHE_REST ? -1 : where);
	sqlite3_bind_int64(insert, 3, bucket->b >> 16);
	sqlite3_bind_int64(insert, 4, p50);
	sqlite3_bind_int64(insert, 5, p99);
	return finish(s, insert, err);
}

static int write_quantiles(struct cache_sums *u, struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	size_t n, used = 0, next;
	const struct mp_group *row = mp_groups_all(u->group[BY_WEIGHT], &n);
	struct bucket *bucket = malloc((n + 1) * sizeof(*bucket));
	int rc = bucket ? prepare(s, "INSERT INTO cache_quantile VALUES (?,?,?,?,?)", &insert, err)
			: mp_err_set(err, ENOMEM, "out of memory");

	for (size_t i = 0; !rc && i < n; i++)
		if (row[i].sum[SAMPLES])
			bucket[used++] = (struct bucket){row[i].a, row[i].b, row[i].sum[PERIOD]};
	if (!rc)
		qsort(bucket, used, sizeof(*bucket), by_key);
	for (size_t i = 0; !rc && i < used; i = next) {
		for (next = i + 1; next < used; next++)
			if (bucket[next].a != bucket[i].a || bucket[next].b >> 16 != bucket[i].b >> 16)
				break;
		rc = write_quantile(s, insert, bucket + i, next - i, err);
	}
	sqlite3_finalize(insert);
	free(bucket);
	return rc;
}

/* How many different objects and lines, by event, where and level; level -1: all. */
enum { OBJECTS, BYTES, LINES };

static int count(
    struct mp_groups *distinct, uint64_t mask, uint64_t where, int what, int64_t bytes, struct mp_err *err)
{
	for (int64_t event = 0; event < CACHE_DISTINCT_EVENTS; event++) {
		if (!(mask & cache_bits_of_event((uint32_t)event)))
			continue;
		for (int level = -1; level < MP_LEVELS; level++) {
			if (level >= 0 && !(mask & cache_bit((uint32_t)event, level)))
				continue;
			struct mp_group *row = mp_groups_at(distinct, event << 32 | (int64_t)where, level);
			if (!row)
				return mp_err_set(err, ENOMEM, "out of memory");
			mp_groups_add(&row->sum[what], 1);
			if (what == OBJECTS)
				mp_groups_add(&row->sum[BYTES], bytes);
		}
	}
	return 0;
}

static int count_distinct(const struct cache_sums *u, struct mp_groups *distinct, struct mp_err *err)
{
	size_t n;
	const struct mp_group *line = mp_groups_all(u->lines, &n);
	int rc = 0;

	for (size_t i = 0; !rc && i < u->names.objects; i++) {
		const struct cache_object *o = &u->names.object[i];
		int64_t bytes = o->size_bytes < INT64_MAX ? (int64_t)o->size_bytes : INT64_MAX;

		rc = count(distinct, o->mask, o->where, OBJECTS, bytes, err);
	}
	for (size_t i = 0; !rc && i < n; i++)
		if (line[i].a != MP_GROUPS_REST)
			rc = count(distinct, (uint64_t)line[i].sum[LINE_MASK],
			    (uint64_t)line[i].sum[LINE_WHERE], LINES, 0, err);
	return rc;
}

static int write_distinct(struct cache_sums *u, struct mp_session *s, struct mp_err *err)
{
	struct mp_groups *distinct = mp_groups_new(CACHE_DISTINCT_EVENTS * 65600 * (MP_LEVELS + 1));
	sqlite3_stmt *insert = NULL;
	size_t n;
	int rc = distinct ? count_distinct(u, distinct, err) : mp_err_set(err, ENOMEM, "out of memory");

	if (!rc)
		rc = prepare(s, "INSERT INTO cache_distinct VALUES (?,?,?,?,?,?)", &insert, err);
	const struct mp_group *row = rc ? NULL : mp_groups_all(distinct, &n);
	for (size_t i = 0; !rc && i < n; i++) {
		sqlite3_bind_int64(insert, 1, row[i].a >> 32);
		sqlite3_bind_int64(insert, 2, row[i].a & 0xffffffff);
		sqlite3_bind_int64(insert, 3, row[i].b);
		for (int k = 0; k < 3; k++)
			sqlite3_bind_int64(insert, 4 + k, row[i].sum[k]);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	mp_groups_free(distinct);
	return rc;
}

/* The sites; the other places are there already. */
static int write_where(struct cache_sums *u, struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	const char *site;
	int rc = prepare(s, "INSERT INTO cache_where VALUES (?,'object',?,?,?)", &insert, err);

	for (int64_t i = 0; !rc && (site = mp_labels_text(u->names.sites, i)); i++) {
		sqlite3_bind_int64(insert, 1, WHERE_SITE + i);
		sqlite3_bind_text(insert, 2, site, -1, SQLITE_STATIC);
		if ((size_t)i < u->sizes && u->size[i].least <= u->size[i].most) {
			sqlite3_bind_int64(insert, 3, (int64_t)u->size[i].least);
			sqlite3_bind_int64(insert, 4, (int64_t)u->size[i].most);
		}
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	return rc;
}

static int write_limits(struct cache_sums *u, struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	int rc = prepare(s, "INSERT INTO cache_limit VALUES (?)", &insert, err);

	if (!rc) {
		sqlite3_bind_int64(insert, 1, u->left_out);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	return rc;
}

int cache_write(struct cache_sums *u, struct mp_session *s, struct mp_err *err)
{
	uint64_t told = events_with_weight(u);
	int rc = 0;

	for (int i = 0; !rc && i < CACHE_GROUPS; i++)
		if (tables[i])
			rc = write_group(u, s, (enum cache_group)i, told, err);
	if (!rc)
		rc = write_quantiles(u, s, err);
	if (!rc)
		rc = write_distinct(u, s, err);
	if (!rc)
		rc = write_where(u, s, err);
	return rc ? rc : write_limits(u, s, err);
}
