/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "store/retention_priv.h"

/* As in thin_calls.c. */
#define BATCH      512
#define LEAST_ROWS 2048

enum { BOUNDS, LAST, SAVE, DOUBLE, DELETE, BACK_AND_CLEAR, PARTS, PER_AREA };

static const struct {
	const char *table, *id;
	const char *stays; /* a condition on what goes on being there; NULL: none */
} tables[MP_AREAS] = {[MP_AREA_KERNEL_EVENT] = {"kernel_event", "event_id"},
    [MP_AREA_SAMPLE] = {"sample", "sample_id"},
    [MP_AREA_SPAN] = {"span", "span_id"},
    [MP_AREA_MARK] = {"mark", "mark_id"},
    [MP_AREA_POOL_EVENT] = {"pool_event", "pool_event_id"},
    [MP_AREA_GC] = {"gc", "gc_id",
	"dur_ns >= " MP_GC_LONG_TEXT " * (SELECT avg(dur_ns) FROM main.gc WHERE gc_id > ?1 AND gc_id <= ?2)"},
    [MP_AREA_GC_PREDICTION] = {"gc_prediction", "made_ns"},
    [MP_AREA_BLOCK] = {"block", "block_id"}};

/* How a row that stays stands for one that goes; others stand for themselves. */
static const char *const stands_for_two[MP_AREAS] = {
    [MP_AREA_SAMPLE] = "period = min(period, 1 << 61) * 2", [MP_AREA_BLOCK] = "weight = weight * 2"};

static const char *const texts[PER_AREA] = {
    [BOUNDS] = "SELECT count(*), coalesce(max(%2$s), 0) FROM (SELECT %2$s FROM main.%1$s WHERE %2$s > ?1 AND "
	       "%2$s <= "
	       "?2 ORDER BY %2$s LIMIT 512)",
    [LAST] = "SELECT coalesce(max(%2$s), 0) - 1 FROM main.%1$s",
    [SAVE] = "INSERT INTO temp.kept_%1$s SELECT * FROM main.%1$s WHERE %2$s > ?1 AND %2$s <= ?2 AND "
	     "((random() & 1) OR %3$s)",
    [DOUBLE] = "UPDATE temp.kept_%1$s SET %2$s",
    [DELETE] = "DELETE FROM main.%1$s WHERE %2$s > ?1 AND %2$s <= ?2",
    [BACK_AND_CLEAR] = "INSERT INTO main.%1$s SELECT * FROM temp.kept_%1$s",
    [PARTS] = "DELETE FROM main.gc_pool WHERE gc_id > ?1 AND gc_id <= ?2 AND gc_id NOT IN (SELECT gc_id FROM "
	      "main.gc)",
};

_Static_assert(PER_AREA * 8 <= MP_RS_ROLL - MP_RS_ROWS, "statements of all areas have room");

static sqlite3_stmt *get(struct mp_retention *r, enum mp_area area, int which)
{
	char sql[512];

	snprintf(sql, sizeof(sql), texts[which], tables[area].table,
	    which == DOUBLE ? stands_for_two[area] : tables[area].id,
	    tables[area].stays ? tables[area].stays : "0");
	return mp_retention_get(r, MP_RS_ROWS + ((int)area - MP_AREA_KERNEL_EVENT) * PER_AREA + which, sql);
}

static int run(
    struct mp_retention *r, enum mp_area area, int which, int64_t from, int64_t to, struct mp_err *err)
{
	sqlite3_stmt *st = get(r, area, which);

	if (which == SAVE || which == DELETE || which == PARTS) {
		sqlite3_bind_int64(st, 1, from);
		sqlite3_bind_int64(st, 2, to);
	}
	return mp_retention_run(r, st, err);
}

static int exec(struct mp_retention *r, enum mp_area area, const char *format, struct mp_err *err)
{
	char sql[256];

	snprintf(sql, sizeof(sql), format, tables[area].table);
	return sqlite3_exec(r->session->db, sql, NULL, NULL, NULL) ? mp_session_fail(r->session, "write", err)
								   : 0;
}

/* The first columns of the first row. */
static int ask(struct mp_retention *r, sqlite3_stmt *st, int64_t *first, int64_t *second, struct mp_err *err)
{
	int rc = st && sqlite3_step(st) == SQLITE_ROW ? 0 : mp_session_fail(r->session, "write", err);

	if (!rc) {
		*first = sqlite3_column_int64(st, 0);
		*second = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return rc;
}

static int begin_pass(struct mp_retention *r, enum mp_area area, bool *begun, struct mp_err *err)
{
	struct mp_pass *p = &r->pass[area];
	int64_t unused;
	int rc = 0;

	*begun = p->at < p->end;
	if (*begun || r->bytes[area] < LEAST_ROWS * mp_row_bytes[area] || p->level == 31)
		return 0;
	if (!p->level)
		rc = exec(r, area,
		    "CREATE TEMP TABLE IF NOT EXISTS kept_%1$s AS SELECT * FROM main.%1$s WHERE 0", err);
	if (!rc)
		rc = ask(r, get(r, area, LAST), &p->end, &unused, err);
	p->at = 0;
	*begun = !rc && p->end > 0;
	p->level += *begun;
	return rc;
}

int mp_thin_rows(struct mp_retention *r, enum mp_area area, uint64_t *work, struct mp_err *err)
{
	struct mp_pass *p = &r->pass[area];
	int64_t n = 0, to = 0, stay = 0;
	bool begun;
	int rc = begin_pass(r, area, &begun, err);

	if (rc || !begun)
		return rc;
	sqlite3_stmt *bounds = get(r, area, BOUNDS);
	sqlite3_bind_int64(bounds, 1, p->at);
	sqlite3_bind_int64(bounds, 2, p->end);
	rc = ask(r, bounds, &n, &to, err);
	if (!rc && n)
		rc = run(r, area, SAVE, p->at, to, err);
	if (!rc && n)
		stay = sqlite3_changes(r->session->db);
	if (!rc && stands_for_two[area])
		rc = run(r, area, DOUBLE, 0, 0, err);
	if (!rc && n)
		rc = run(r, area, DELETE, p->at, to, err);
	if (!rc && n)
		rc = run(r, area, BACK_AND_CLEAR, 0, 0, err);
	if (!rc && n)
		rc = exec(r, area, "DELETE FROM temp.kept_%1$s", err);
	if (!rc && n && area == MP_AREA_GC)
		rc = run(r, area, PARTS, p->at, to, err);
	p->at = n < BATCH ? p->end : to;
	r->thinned[area] += (uint64_t)(n - stay);
	r->bytes[area] -= (double)(n - stay) * mp_row_bytes[area];
	*work += (uint64_t)n + 1;
	return rc;
}
