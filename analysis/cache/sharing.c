/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "analysis/cache/private.h"
#include "analysis/each_row.h"

/* Lines that are looked at more closely: those with the most samples. */
#define CANDIDATES   256
#define ACCESSES_MAX 65536
#define TIDS_MAX     65536

struct sharing {
	struct cache_sums *u;
	struct mp_groups *line;   /* the candidates */
	struct mp_groups *access; /* line; pack() */
	struct mp_groups *thread; /* tid: sum[0] is its number */
	int64_t *tid;
	size_t tids;
	int64_t first_event; /* whose latency counts */
	bool is_told;        /* it tells one */
};

enum { ACCESS_SAMPLES, ACCESS_COST, ACCESS_OTHER_CACHE };

/* A candidate: what threads may share without knowing it. */
static bool may_be_shared(const struct mp_group *line)
{
	const int64_t *sum = line->sum;
	int64_t flags = LINE_WRITTEN | LINE_SHARED;

	return line->a != MP_GROUPS_REST && !line->b && (sum[LINE_FLAGS] & flags) == flags &&
	       (sum[LINE_WHERE] >= WHERE_SITE || sum[LINE_WHERE] == MP_PLACE_OBJECT ||
		   sum[LINE_WHERE] == MP_PLACE_POOL || sum[LINE_WHERE] == MP_PLACE_DATA);
}

static int by_samples(const void *a, const void *b)
{
	const struct mp_group *x = *(const struct mp_group *const *)a,
			      *y = *(const struct mp_group *const *)b;
	int64_t n = x->sum[LINE_SAMPLES], m = y->sum[LINE_SAMPLES];

	return n != m ? (n < m) - (n > m) : (x->a > y->a) - (x->a < y->a);
}

/* How many candidates there are; -errno. */
static int choose(struct sharing *h, struct mp_err *err)
{
	size_t n, found = 0;
	const struct mp_group *line = mp_groups_all(h->u->lines, &n);
	const struct mp_group **all = NULL;

	for (size_t i = 0; i < n; i++)
		found += may_be_shared(&line[i]);
	if (!found)
		return 0;
	if (!(all = malloc(found * sizeof(*all))))
		return mp_err_set(err, ENOMEM, "out of memory");
	found = 0;
	for (size_t i = 0; i < n; i++)
		if (may_be_shared(&line[i]))
			all[found++] = &line[i];
	qsort(all, found, sizeof(*all), by_samples);
	found = found < CANDIDATES ? found : CANDIDATES;
	for (size_t i = 0; i < found; i++)
		if (!mp_groups_at(h->line, all[i]->a, 0))
			found = 0;
	free(all);
	return found ? (int)found : mp_err_set(err, ENOMEM, "out of memory");
}

/* 0: beyond the largest number of them; -ENOMEM. */
static int64_t number_of_thread(struct sharing *h, int64_t tid)
{
	struct mp_group *row = mp_groups_at(h->thread, tid, 0);

	if (!row)
		return -ENOMEM;
	if (row->a != MP_GROUPS_REST && !row->sum[0]) {
		h->tid[h->tids] = tid;
		row->sum[0] = (int64_t)++h->tids;
	}
	return row->a == MP_GROUPS_REST ? 0 : row->sum[0];
}

/* Object, thread, byte of the line, whether it writes: 22 + 17 + 6 + 1 bits. */
static int64_t pack(int64_t object, int64_t thread, uint64_t addr, bool is_write)
{
	return object << 24 | thread << 7 | (int64_t)(addr & 63) << 1 | is_write;
}

/* Asked before the other columns of a sample are read: most are of no candidate. */
static void is_of_candidate(sqlite3_context *ctx, int argc, sqlite3_value **value)
{
	const struct sharing *h = sqlite3_user_data(ctx);
	uint64_t addr = (uint64_t)sqlite3_value_int64(value[0]);

	(void)argc;
	sqlite3_result_int(ctx, mp_groups_find(h->line, (int64_t)(addr >> 6), 0) != NULL);
}

static int add_access(void *ctx, sqlite3_value **row)
{
	struct sharing *h = ctx;
	struct cache_sample c;
	int rc = cache_read_sample(&h->u->names, row, &c);

	if (rc)
		return rc > 0 ? 0 : rc;
	uint64_t addr = c.addr;
	int64_t thread = number_of_thread(h, c.tid);
	int64_t object = c.object ? c.object - h->u->names.object + 1 : 0;
	struct mp_group *sum = NULL;
	if (thread >= 0)
		sum = mp_groups_at(h->access, (int64_t)(addr >> 6), pack(object, thread, addr, c.is_write));
	if (!sum)
		return mp_err_set(h->u->names.err, ENOMEM, "out of memory");
	if (sum->a == MP_GROUPS_REST || !thread)
		return 0;
	mp_groups_add(&sum->sum[ACCESS_SAMPLES], 1);
	mp_groups_add(&sum->sum[ACCESS_OTHER_CACHE], c.level == MP_LEVEL_OTHER_CACHE);
	if (c.event == h->first_event)
		mp_groups_add(&sum->sum[ACCESS_COST], h->is_told ? c.latency : c.period);
	return 0;
}

static int write_access(const struct sharing *h, struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	size_t n;
	const struct mp_group *row = mp_groups_all(h->access, &n);
	sqlite3 *db = mp_session_db(s);
	int rc = SQLITE_DONE;

	if (sqlite3_prepare_v2(
		db, "INSERT INTO cache_access VALUES (?,?,?,?,?,?,?,?,?)", -1, &insert, NULL) != SQLITE_OK)
		rc = SQLITE_ERROR;
	for (size_t i = 0; rc == SQLITE_DONE && i < n; i++) {
		int64_t object = row[i].b >> 24, thread = row[i].b >> 7 & 0x1ffff;
		const struct mp_group *line = mp_groups_find(h->u->lines, row[i].a, 0);

		if (!row[i].sum[ACCESS_SAMPLES])
			continue;
		const struct cache_object *o = object ? &h->u->names.object[object - 1] : NULL;
		sqlite3_bind_int64(insert, 1, row[i].a);
		if (o)
			sqlite3_bind_int64(insert, 2, o->object_id);
		else
			sqlite3_bind_null(insert, 2);
		sqlite3_bind_int64(insert, 3, o ? o->where : line->sum[LINE_WHERE]);
		sqlite3_bind_int64(insert, 4, h->tid[thread - 1]);
		sqlite3_bind_int64(insert, 5, row[i].b >> 1 & 63);
		sqlite3_bind_int64(insert, 6, row[i].b & 1);
		for (int k = 0; k < 3; k++)
			sqlite3_bind_int64(insert, 7 + k, row[i].sum[k]);
		rc = sqlite3_step(insert);
		sqlite3_reset(insert);
	}
	sqlite3_finalize(insert);
	return rc == SQLITE_DONE
		   ? 0
		   : mp_err_set(err, EIO, "cannot analyse %s: %s", mp_session_path(s), sqlite3_errmsg(db));
}

static int find_first_event(struct sharing *h, struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_ERROR;

	if (sqlite3_prepare_v2(mp_session_db(s),
		"SELECT event_no, has_weight FROM temp.cache_event ORDER BY place LIMIT 1", -1, &stmt,
		NULL) == SQLITE_OK)
		step = sqlite3_step(stmt);
	if (step == SQLITE_ROW) {
		h->first_event = sqlite3_column_int64(stmt, 0);
		h->is_told = sqlite3_column_int(stmt, 1);
	}
	sqlite3_finalize(stmt);
	return step == SQLITE_ROW ? 0
				  : mp_err_set(err, EIO, "cannot analyse %s: %s", mp_session_path(s),
					sqlite3_errmsg(mp_session_db(s)));
}

static int look_again(
    struct sharing *h, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	char *sql = sqlite3_mprintf(
	    "SELECT 1 FROM sample WHERE CASE WHEN CASE WHEN addr IS NOT NULL AND t_ns >= ?1 AND t_ns < ?2"
	    " AND (?3 = 0 OR tid = ?3) THEN mp_is_of_candidate(addr) END THEN mp_take(?4, %s) END",
	    cache_columns);
	int rc = sql ? find_first_event(h, s, err) : mp_err_set(err, ENOMEM, "out of memory");

	sqlite3_create_function(mp_session_db(s), "mp_is_of_candidate", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, h,
	    is_of_candidate, NULL, NULL);
	if (!rc)
		rc = mp_each_row(s, sql, scope, add_access, h, err);
	sqlite3_create_function(
	    mp_session_db(s), "mp_is_of_candidate", 1, SQLITE_UTF8, NULL, NULL, NULL, NULL);
	sqlite3_free(sql);
	return rc ? rc : write_access(h, s, err);
}

int cache_find_sharing(
    struct cache_sums *u, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct sharing h = {.u = u,
	    .line = mp_groups_new(CANDIDATES),
	    .access = mp_groups_new(ACCESSES_MAX),
	    .thread = mp_groups_new(TIDS_MAX),
	    .tid = calloc(TIDS_MAX, sizeof(*h.tid))};
	int rc = h.line && h.access && h.thread && h.tid ? choose(&h, err)
							 : mp_err_set(err, ENOMEM, "out of memory");

	if (rc > 0)
		rc = look_again(&h, s, scope, err);
	mp_groups_free(h.line);
	mp_groups_free(h.access);
	mp_groups_free(h.thread);
	free(h.tid);
	return rc;
}
