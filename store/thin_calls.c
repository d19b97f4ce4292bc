/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "store/retention_priv.h"

/*
 * Rows of one step. They are deleted as a whole and what stays is written again: a table out of which every
 * second row is deleted is as large as before, for SQLite merges pages only when they are nearly empty.
 */
#define BATCH 512

/* Less is not worth a pass. */
#define LEAST_ROWS 2048

/* So many outliers for each sample are too many: then they are what has to give way. */
#define OUTLIERS_PER_SAMPLE 3

#define CAUSE_BYTES 45

struct row {
	int64_t call_id, t_ns, tid, size_bytes, addr, dur_ns, weight, stack_id, scope_id;
	uint32_t op, kept;
	bool has_stack, has_scope, is_gone;
};

struct batch {
	struct row row[BATCH];
	int n, gone;
	bool is_changed;               /* also without one that is gone */
	struct row *held[MP_OP_COUNT]; /* samples that have no partner yet */
};

bool mp_first_of_pair(uint64_t weight, uint64_t other, uint64_t random)
{
	unsigned __int128 sum = (unsigned __int128)weight + other;

	return (unsigned __int128)random * sum >> 64 < weight;
}

/* ---- A pass ---- */

/* The median of those that are kept as outliers, by operation. */
static void find_medians(const struct mp_retention *r, uint64_t under_ns[MP_OP_COUNT])
{
	for (unsigned int op = 0; op < MP_OP_COUNT; op++) {
		uint64_t all = 0, below = 0;
		unsigned int b = 0;

		for (unsigned int i = 0; i < MP_HIST_BUCKETS; i++)
			all += r->outliers[op][i];
		while (all && b < MP_HIST_BUCKETS && (below += r->outliers[op][b]) * 2 < all)
			b++;
		under_ns[op] = all ? mp_hist_hi_ns(b) + 1 : 0;
	}
}

static bool has_too_many_outliers(const struct mp_retention *r)
{
	uint64_t others = r->rows_of[MP_KEPT_SAMPLE] + r->rows_of[MP_KEPT_FULL];

	return r->rows_of[MP_KEPT_OUTLIER] > OUTLIERS_PER_SAMPLE * others;
}

/* False: there is nothing that could go. */
static bool begin_pass(struct mp_retention *r)
{
	struct mp_pass *p = &r->pass[MP_AREA_CALL];
	uint64_t rows = r->rows_of[MP_KEPT_OUTLIER] + r->rows_of[MP_KEPT_SAMPLE] + r->rows_of[MP_KEPT_FULL];

	if (p->at < p->end)
		return true;
	r->halves_outliers = has_too_many_outliers(r);
	if (rows < LEAST_ROWS || (r->halves_outliers && r->demotions == MP_DEMOTIONS) || p->level == 31)
		return false;
	p->at = 0;
	p->end = r->session->next_call_id - 2; /* the last one stays: the next number is made from it */
	if (r->halves_outliers) {
		struct mp_demotion *d = &r->demotion[r->demotions++];
		find_medians(r, d->under_ns);
		d->level = p->level;
	} else {
		p->level++;
	}
	return p->end > 0;
}

/* ---- One batch ---- */

static int read_batch(struct mp_retention *r, struct batch *b, struct mp_err *err)
{
	const struct mp_pass *p = &r->pass[MP_AREA_CALL];
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_CALL_READ,
	    "SELECT call_id, t_ns, tid, size_bytes, addr, dur_ns, weight, stack_id, op_id, kept,"
	    " scope_id FROM call"
	    " WHERE call_id > ?1 AND call_id <= ?2 ORDER BY call_id LIMIT ?3");
	int rc = SQLITE_ERROR;

	sqlite3_bind_int64(st, 1, p->at);
	sqlite3_bind_int64(st, 2, p->end);
	sqlite3_bind_int64(st, 3, BATCH);
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW)
		b->row[b->n++] = (struct row){.call_id = sqlite3_column_int64(st, 0),
		    .t_ns = sqlite3_column_int64(st, 1),
		    .tid = sqlite3_column_int64(st, 2),
		    .size_bytes = sqlite3_column_int64(st, 3),
		    .addr = sqlite3_column_int64(st, 4),
		    .dur_ns = sqlite3_column_int64(st, 5),
		    .weight = sqlite3_column_int64(st, 6),
		    .has_stack = sqlite3_column_type(st, 7) != SQLITE_NULL,
		    .stack_id = sqlite3_column_int64(st, 7),
		    .op = (uint32_t)sqlite3_column_int64(st, 8),
		    .kept = (uint32_t)sqlite3_column_int64(st, 9),
		    .has_scope = sqlite3_column_type(st, 10) != SQLITE_NULL,
		    .scope_id = sqlite3_column_int64(st, 10)};
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : mp_session_fail(r->session, "write", err);
}

static void become(struct mp_retention *r, struct row *c, uint32_t kept)
{
	uint32_t *bucket = c->dur_ns >= 0 ? &r->outliers[c->op][mp_hist_bucket((uint64_t)c->dur_ns)] : NULL;

	r->rows_of[c->kept]--;
	r->rows_of[kept]++;
	if (bucket && c->kept == MP_KEPT_OUTLIER)
		*bucket -= *bucket > 0;
	if (bucket && kept == MP_KEPT_OUTLIER)
		++*bucket;
	c->kept = kept;
}

/* Of a call and the last one of its operation that has no partner, one goes; the other stands for both. */
static void pair(struct mp_retention *r, struct batch *b, struct row *c)
{
	struct row *other = b->held[c->op];

	if (!other) {
		b->held[c->op] = c;
		return;
	}
	bool is_other =
	    mp_first_of_pair((uint64_t)other->weight, (uint64_t)c->weight, mp_retention_random(r));
	struct row *stays = is_other ? other : c, *goes = is_other ? c : other;
	stays->weight += goes->weight;
	goes->is_gone = true;
	r->rows_of[MP_KEPT_SAMPLE]--;
	b->gone++;
	b->held[c->op] = NULL;
}

static void decide_one(struct mp_retention *r, struct batch *b, struct row *c)
{
	if (c->op >= MP_OP_COUNT || c->kept > MP_KEPT_FULL || c->weight <= 0)
		return;
	if (r->halves_outliers) {
		int i = c->kept == MP_KEPT_OUTLIER && c->dur_ns >= 0
			    ? mp_demotion_of(r, c->op, (uint64_t)c->dur_ns)
			    : -1;
		if (i < 0)
			return;
		become(r, c, MP_KEPT_SAMPLE);
		b->is_changed = true;
		pair(r, b, c);
		return;
	}
	if (c->kept == MP_KEPT_FULL) {
		b->is_changed = true;
		become(r, c,
		    c->dur_ns >= 0 && (uint64_t)c->dur_ns >= r->full_over_ns[c->op] ? MP_KEPT_OUTLIER
										    : MP_KEPT_SAMPLE);
	}
	if (c->kept == MP_KEPT_SAMPLE)
		pair(r, b, c);
}

static int write_row(struct mp_retention *r, const struct row *c, struct mp_err *err)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_CALL_WRITE,
	    "INSERT INTO call (call_id, t_ns, tid, op_id, size_bytes, addr, dur_ns, kept, weight, stack_id,"
	    " scope_id) VALUES (?,?,?,?,?,?,?,?,?,?,?)");

	sqlite3_bind_int64(st, 1, c->call_id);
	sqlite3_bind_int64(st, 2, c->t_ns);
	sqlite3_bind_int64(st, 3, c->tid);
	sqlite3_bind_int64(st, 4, c->op);
	sqlite3_bind_int64(st, 5, c->size_bytes);
	sqlite3_bind_int64(st, 6, c->addr);
	sqlite3_bind_int64(st, 7, c->dur_ns);
	sqlite3_bind_int64(st, 8, c->kept);
	sqlite3_bind_int64(st, 9, c->weight);
	if (c->has_stack)
		sqlite3_bind_int64(st, 10, c->stack_id);
	else
		sqlite3_bind_null(st, 10);
	if (c->has_scope)
		sqlite3_bind_int64(st, 11, c->scope_id);
	else
		sqlite3_bind_null(st, 11);
	return mp_retention_run(r, st, err);
}

static int run_range(
    struct mp_retention *r, int which, const char *sql, int64_t from, int64_t to, struct mp_err *err)
{
	sqlite3_stmt *st = mp_retention_get(r, which, sql);

	sqlite3_bind_int64(st, 1, from);
	sqlite3_bind_int64(st, 2, to);
	return mp_retention_run(r, st, err);
}

/* The causes of calls that are gone, likewise: all of the batch, and those that stay again. */
static int thin_causes(struct mp_retention *r, int64_t from, int64_t to, struct mp_err *err)
{
	sqlite3_stmt *st = mp_retention_get(r, MP_RS_CAUSE_CALLS,
	    "SELECT count(*) FROM cause WHERE call_id > ?1 AND call_id <= ?2"
	    " AND NOT EXISTS (SELECT 1 FROM call WHERE call.call_id = cause.call_id)");
	int64_t gone = 0;

	sqlite3_bind_int64(st, 1, from);
	sqlite3_bind_int64(st, 2, to);
	int rc = st && sqlite3_step(st) == SQLITE_ROW ? 0 : mp_session_fail(r->session, "write", err);
	if (!rc)
		gone = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	if (rc || !gone)
		return rc;
	r->bytes[MP_AREA_CALL] -= (double)gone * CAUSE_BYTES;
	if (!r->statement[MP_RS_CAUSE_SAVE] &&
	    sqlite3_exec(r->session->db, "CREATE TEMP TABLE kept_cause AS SELECT * FROM main.cause WHERE 0",
		NULL, NULL, NULL))
		return mp_session_fail(r->session, "write", err);
	rc = run_range(r, MP_RS_CAUSE_SAVE,
	    "INSERT INTO temp.kept_cause SELECT * FROM main.cause WHERE call_id > ?1 AND call_id <= ?2"
	    " AND EXISTS (SELECT 1 FROM main.call WHERE call.call_id = cause.call_id)",
	    from, to, err);
	if (!rc)
		rc = run_range(r, MP_RS_CAUSE_DELETE,
		    "DELETE FROM main.cause WHERE call_id > ?1 AND call_id <= ?2", from, to, err);
	if (!rc)
		rc = mp_retention_run(r,
		    mp_retention_get(
			r, MP_RS_CAUSE_BACK, "INSERT INTO main.cause SELECT * FROM temp.kept_cause"),
		    err);
	if (!rc)
		rc = mp_retention_run(
		    r, mp_retention_get(r, MP_RS_CAUSE_CLEAR, "DELETE FROM temp.kept_cause"), err);
	return rc;
}

static int write_batch(struct mp_retention *r, const struct batch *b, struct mp_err *err)
{
	int64_t from = r->pass[MP_AREA_CALL].at, to = b->row[b->n - 1].call_id;
	int rc = run_range(
	    r, MP_RS_CALL_DELETE, "DELETE FROM call WHERE call_id > ?1 AND call_id <= ?2", from, to, err);

	for (int i = 0; !rc && i < b->n; i++)
		if (!b->row[i].is_gone)
			rc = write_row(r, &b->row[i], err);
	return rc ? rc : thin_causes(r, from, to, err);
}

int mp_thin_calls(struct mp_retention *r, uint64_t *work, struct mp_err *err)
{
	struct mp_pass *p = &r->pass[MP_AREA_CALL];
	struct batch b;

	if (!begin_pass(r))
		return 0;
	b.n = b.gone = 0;
	b.is_changed = false;
	memset(b.held, 0, sizeof(b.held));
	int rc = read_batch(r, &b, err);
	for (int i = 0; !rc && i < b.n; i++)
		decide_one(r, &b, &b.row[i]);
	if (!rc && (b.gone || b.is_changed))
		rc = write_batch(r, &b, err);
	p->at = b.n < BATCH ? p->end : b.row[b.n - 1].call_id;
	*(r->halves_outliers ? &r->thinned_outliers : &r->thinned[MP_AREA_CALL]) += (uint64_t)b.gone;
	r->calls_removed += (uint64_t)b.gone;
	r->bytes[MP_AREA_CALL] -= b.gone * MP_CALL_BYTES;
	*work += (uint64_t)b.n + 1;
	return rc;
}
