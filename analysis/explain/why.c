/* SPDX-License-Identifier: MIT */
#include "analysis/explain/why.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/explain/groups.h"
#include "analysis/explain/slowest.h"
#include "store/embed.h"
#include "store/histogram.h"
#include "store/op.h"

/* More than any honest session has: kinds are a dozen and the system calls, details the names of threads. */
#define KINDS_MAX   1024
#define DETAILS_MAX 16384
#define KEYS_MAX    262144

/* Longer texts are no names, and are told apart by so much. */
#define TEXT_MAX 256

/* Sizes of a stack that are told apart: a site with more has no fixed size, and that is all that is asked. */
#define SIZES_OF_STACK 4
#define OTHER_SIZES    -1

static int fail(struct mp_session *s, struct mp_err *err)
{
	return mp_err_set(
	    err, EIO, "cannot read %s: %s", mp_session_path(s), sqlite3_errmsg(mp_session_db(s)));
}

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static int prepare(struct mp_session *s, const char *sql, sqlite3_stmt **stmt, struct mp_err *err)
{
	return sqlite3_prepare_v2(mp_session_db(s), sql, -1, stmt, NULL) == SQLITE_OK ? 0 : fail(s, err);
}

/* Steps to the end of a statement without rows. */
static int finish(struct mp_session *s, sqlite3_stmt *stmt, struct mp_err *err)
{
	int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(s, err);

	sqlite3_reset(stmt);
	return rc;
}

int mp_why_resume(struct mp_session *s, struct mp_err *err)
{
	/* In memory: where a session is read there may be no room for a file. */
	const char *sql = "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY";

	return sqlite3_exec(mp_session_db(s), sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, err);
}

int mp_why_begin(struct mp_session *s, struct mp_err *err)
{
	const char *sql = mp_embedded_text("sql/explain/tables.sql");
	int rc = mp_why_resume(s, err);

	return rc || sqlite3_exec(mp_session_db(s), sql, NULL, NULL, NULL) == SQLITE_OK ? rc : fail(s, err);
}

void mp_why_end(struct mp_session *s)
{
	sqlite3_exec(mp_session_db(s), "PRAGMA query_only=ON", NULL, NULL, NULL);
}

/* The calls of each operation, by bucket. */
struct histograms {
	int64_t calls[MP_OP_ROWS][MP_HIST_BUCKETS];
	int64_t max_ns[MP_OP_ROWS];
};

/* Slots that the range touches, as in the coverage: a call belongs to the histogram of its second. */
static void bind_slots(sqlite3_stmt *stmt, const struct mp_report_scope *scope)
{
	sqlite3_bind_int64(stmt, 1, scope->slots_ns);
	sqlite3_bind_int64(stmt, 2, scope->to_ns);
}

static bool is_known(int64_t op)
{
	return op >= 0 && op <= UINT_MAX && mp_op_is_known((unsigned int)op);
}

static int read_histograms(
    struct mp_session *s, const struct mp_report_scope *scope, struct histograms *h, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	int rc = prepare(
	    s, "SELECT op_id, bucket, calls FROM latency WHERE slot_ns >= ? AND slot_ns < ?", &stmt, err);

	bind_slots(stmt, scope);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t op = sqlite3_column_int64(stmt, 0), bucket = sqlite3_column_int64(stmt, 1);
		int64_t calls = sqlite3_column_int64(stmt, 2);

		if (is_known(op) && bucket >= 0 && bucket < MP_HIST_BUCKETS && calls > 0)
			mp_groups_add(&h->calls[mp_op_row((unsigned int)op)][bucket], calls);
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	stmt = NULL;
	if (!rc)
		rc = prepare(s,
		    "SELECT op_id, max(max_ns) FROM latency_sum WHERE slot_ns >= ? AND slot_ns < ? GROUP BY "
		    "1",
		    &stmt, err);
	bind_slots(stmt, scope);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t op = sqlite3_column_int64(stmt, 0);

		if (is_known(op))
			h->max_ns[mp_op_row((unsigned int)op)] = sqlite3_column_int64(stmt, 1);
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	return rc;
}

/* The p99.9 as v_percentile defines it, of an operation or a slow path (mp_op_row()); -1 without calls. */
static int64_t find_p999(const struct histograms *h, unsigned int row, int64_t *calls)
{
	int64_t upto = 0;
	unsigned int bucket = 0;

	*calls = 0;
	for (unsigned int b = 0; b < MP_HIST_BUCKETS; b++)
		mp_groups_add(calls, h->calls[row][b]);
	if (!*calls)
		return -1;
	/* ceil(calls * 0.999), which stays within 64 bits. */
	for (int64_t rank = *calls - *calls / 1000; bucket < MP_HIST_BUCKETS; bucket++) {
		mp_groups_add(&upto, h->calls[row][bucket]);
		if (upto >= rank)
			break;
	}
	int64_t middle = (int64_t)((mp_hist_lo_ns(bucket) + mp_hist_hi_ns(bucket)) / 2);
	return h->max_ns[row] > 0 && h->max_ns[row] < middle ? h->max_ns[row] : middle;
}

int mp_why_find_tail(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct histograms *h = calloc(1, sizeof(*h));
	sqlite3_stmt *insert = NULL;
	int rc = h ? read_histograms(s, scope, h, err) : no_memory(err);

	if (!rc)
		rc = prepare(s, "INSERT INTO why_tail VALUES (?,?,?)", &insert, err);
	for (unsigned int row = 0; !rc && row < MP_OP_ROWS; row++) {
		int64_t calls, p999_ns = find_p999(h, row, &calls);

		if (p999_ns < 0)
			continue;
		sqlite3_bind_int64(insert, 1, mp_op_of_row(row));
		sqlite3_bind_int64(insert, 2, calls);
		sqlite3_bind_int64(insert, 3, p999_ns);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	free(h);
	return rc;
}

/* The sums of why_cell and why_detail, in the order of their columns. */
enum { CALLS, N, NS, TAIL_CALLS, TAIL_NS };

struct sums {
	struct mp_labels *kinds, *details;
	struct mp_groups *cells, *by_detail, *sizes, *sizes_of_stack;
	int64_t p999_ns[MP_OP_ROWS]; /* by mp_op_row(); -1: no calls */
	int64_t total[4];            /* of why_total: calls, ns, tail_calls, tail_ns */
	int64_t unexplained;         /* label of that kind */
	struct mp_slowest *slowest;
};

static bool new_sums(struct sums *u, size_t top)
{
	*u = (struct sums){.kinds = mp_labels_new(KINDS_MAX),
	    .details = mp_labels_new(DETAILS_MAX),
	    .cells = mp_groups_new(KEYS_MAX),
	    .by_detail = mp_groups_new(DETAILS_MAX),
	    .sizes = mp_groups_new(KEYS_MAX),
	    .sizes_of_stack = mp_groups_new(KEYS_MAX),
	    .slowest = mp_slowest_new(top)};
	if (!u->slowest || !u->kinds || !u->details || !u->cells || !u->by_detail || !u->sizes ||
	    !u->sizes_of_stack)
		return false;
	u->unexplained = mp_labels_id(u->kinds, "unexplained", strlen("unexplained"));
	return u->unexplained >= 0;
}

static void free_sums(struct sums *u)
{
	mp_labels_free(u->kinds);
	mp_labels_free(u->details);
	mp_groups_free(u->cells);
	mp_groups_free(u->by_detail);
	mp_groups_free(u->sizes);
	mp_groups_free(u->sizes_of_stack);
	mp_slowest_free(u->slowest);
}

struct call {
	int64_t call_id, dur_ns, stack_id, op, size_bytes, weight;
	bool outlier, tail;
};

/* Rows of `cause` in the order of their calls. */
struct causes {
	sqlite3_stmt *stmt;
	bool more; /* the statement stands at a row, of call_id */
	int64_t call_id;
};

static int next_cause(struct mp_session *s, struct causes *c, struct mp_err *err)
{
	int step = sqlite3_step(c->stmt);

	c->more = step == SQLITE_ROW;
	if (c->more)
		c->call_id = sqlite3_column_int64(c->stmt, 0);
	return c->more || step == SQLITE_DONE ? 0 : fail(s, err);
}

/* What a cause takes of a duration: never more than is left of it. */
static int64_t take(int64_t *left, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	if (ns > *left)
		ns = *left;
	*left -= ns;
	return ns;
}

/* As a blob: a text would be copied to put a zero behind it, two million times. */
static int64_t text_id(struct mp_labels *labels, sqlite3_stmt *stmt, int col)
{
	const char *text = sqlite3_column_blob(stmt, col);
	size_t n = text ? (size_t)sqlite3_column_bytes(stmt, col) : 0;

	return mp_labels_id(labels, text ? text : "", n < TEXT_MAX ? n : TEXT_MAX);
}

static int add(struct mp_groups *g, int64_t a, int64_t b, const struct call *c, int64_t n, int64_t ns)
{
	/* Of a key only a part of which has a number, the other part says nothing. */
	if (a == MP_GROUPS_REST || b == MP_GROUPS_REST)
		a = b = MP_GROUPS_REST;
	struct mp_group *row = mp_groups_at(g, a, b);

	if (!row)
		return -ENOMEM;
	mp_groups_add(&row->sum[CALLS], 1);
	mp_groups_add(&row->sum[N], n > 0 ? n : 0);
	mp_groups_add(&row->sum[NS], ns);
	mp_groups_add(&row->sum[TAIL_CALLS], c->tail);
	mp_groups_add(&row->sum[TAIL_NS], c->tail ? ns : 0);
	return 0;
}

/* The cause that the statement stands at, of an outlier of which `left` is still to be explained. */
static int add_cause(struct sums *u, const struct call *c, sqlite3_stmt *stmt, int64_t *left)
{
	int64_t kind = text_id(u->kinds, stmt, 1);
	int64_t ns = kind == u->unexplained ? 0 : take(left, sqlite3_column_int64(stmt, 2));
	int64_t n = sqlite3_column_int64(stmt, 3);

	if (kind == -ENOMEM)
		return -ENOMEM;
	if (!ns)
		return 0;
	if (add(u->cells, kind, c->stack_id, c, n, ns))
		return -ENOMEM;
	if (sqlite3_column_type(stmt, 4) == SQLITE_NULL)
		return 0;
	int64_t detail = text_id(u->details, stmt, 4);
	return detail == -ENOMEM ? -ENOMEM : add(u->by_detail, kind, detail, c, n, ns);
}

/* The sums of a stack and size that come for the first time. NULL: out of memory. */
static struct mp_group *new_size(struct sums *u, const struct call *c)
{
	struct mp_group *stack = mp_groups_at(u->sizes_of_stack, c->stack_id, 0);

	if (!stack)
		return NULL;
	if (stack->sum[0] >= SIZES_OF_STACK || stack->a == MP_GROUPS_REST)
		return mp_groups_at(u->sizes, c->stack_id, OTHER_SIZES);
	stack->sum[0]++;
	return mp_groups_at(u->sizes, c->stack_id, c->size_bytes);
}

static int add_size(struct sums *u, const struct call *c)
{
	struct mp_group *row = mp_groups_find(u->sizes, c->stack_id, c->size_bytes);

	if (!row && !(row = new_size(u, c)))
		return -ENOMEM;
	mp_groups_add(&row->sum[CALLS], 1);
	mp_groups_add(&row->sum[N], c->weight > 0 ? c->weight : 0);
	if (!c->outlier)
		return 0;
	mp_groups_add(&row->sum[NS], c->dur_ns);
	mp_groups_add(&row->sum[TAIL_CALLS], c->tail);
	mp_groups_add(&row->sum[TAIL_NS], c->tail ? c->dur_ns : 0);
	return 0;
}

/* Goes on in `causes` to those of this call, and past them. */
static int add_call(
    struct mp_session *s, struct sums *u, const struct call *c, struct causes *causes, struct mp_err *err)
{
	int64_t left = c->dur_ns;
	int rc = 0;

	if (c->op != MP_OP_FREE && c->op != MP_OP_DELETE && add_size(u, c))
		return no_memory(err);
	if (!c->outlier)
		return 0;
	while (!rc && causes->more && causes->call_id < c->call_id)
		rc = next_cause(s, causes, err);
	for (; !rc && causes->more && causes->call_id == c->call_id; rc = next_cause(s, causes, err))
		if (add_cause(u, c, causes->stmt, &left))
			return no_memory(err);
	if (!rc && left && add(u->cells, u->unexplained, c->stack_id, c, 1, left))
		return no_memory(err);
	mp_slowest_offer(u->slowest, c->dur_ns, c->call_id);
	mp_groups_add(&u->total[0], 1);
	mp_groups_add(&u->total[1], c->dur_ns);
	mp_groups_add(&u->total[2], c->tail);
	mp_groups_add(&u->total[3], c->tail ? c->dur_ns : 0);
	return rc;
}

/* The columns of sql/explain/calls.sql. */
static struct call read_call(sqlite3_stmt *stmt, const struct sums *u)
{
	struct call c = {.call_id = sqlite3_column_int64(stmt, 0),
	    .dur_ns = sqlite3_column_int64(stmt, 1),
	    .stack_id = sqlite3_column_int64(stmt, 2),
	    .op = sqlite3_column_int64(stmt, 3),
	    .size_bytes = sqlite3_column_int64(stmt, 4),
	    .weight = sqlite3_column_int64(stmt, 5)};
	int64_t kept = sqlite3_column_int64(stmt, 6);
	/* An operation without a histogram has no tail. */
	int64_t p999_ns = is_known(c.op) ? u->p999_ns[mp_op_row((unsigned int)c.op)] : -1;

	if (c.dur_ns < 0)
		c.dur_ns = 0;
	c.tail = p999_ns >= 0 && c.dur_ns >= p999_ns;
	c.outlier = kept == MP_KEPT_OUTLIER || (kept == MP_KEPT_FULL && c.tail);
	c.tail = c.tail && c.outlier;
	return c;
}

static int read_tail(struct mp_session *s, struct sums *u, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	int rc = prepare(s, "SELECT op_id, p999_ns FROM why_tail", &stmt, err);

	for (unsigned int row = 0; row < MP_OP_ROWS; row++)
		u->p999_ns[row] = -1;
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		u->p999_ns[mp_op_row((unsigned int)sqlite3_column_int(stmt, 0))] =
		    sqlite3_column_int64(stmt, 1);
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(stmt);
	return rc;
}

static int add_calls(
    struct mp_session *s, const struct mp_report_scope *scope, struct sums *u, struct mp_err *err)
{
	struct causes causes = {0};
	sqlite3_stmt *calls = NULL;
	int step = SQLITE_DONE;
	int rc = mp_report_prepare(s, "sql/explain/calls.sql", scope, &calls, err);

	if (!rc)
		rc = prepare(s, "SELECT call_id, kind, dur_ns, n, detail FROM cause ORDER BY call_id",
		    &causes.stmt, err);
	if (!rc)
		rc = next_cause(s, &causes, err);
	while (!rc && (step = sqlite3_step(calls)) == SQLITE_ROW) {
		struct call c = read_call(calls, u);

		rc = add_call(s, u, &c, &causes, err);
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(calls);
	sqlite3_finalize(causes.stmt);
	return rc;
}

static void bind_key(sqlite3_stmt *stmt, int i, int64_t key, const struct mp_labels *names)
{
	if (key == MP_GROUPS_REST)
		sqlite3_bind_null(stmt, i);
	else if (names)
		sqlite3_bind_text(stmt, i, mp_labels_text(names, key), -1, SQLITE_STATIC);
	else
		sqlite3_bind_int64(stmt, i, key);
}

/* Groups as a table; parts of its key are texts where there are names. */
static int write_groups(struct mp_session *s, const char *sql, const struct mp_groups *g,
    const struct mp_labels *a, const struct mp_labels *b, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	size_t n;
	const struct mp_group *rows = mp_groups_all(g, &n);
	int rc = prepare(s, sql, &insert, err);

	for (size_t i = 0; !rc && i < n; i++) {
		bind_key(insert, 1, rows[i].a, a);
		bind_key(insert, 2, rows[i].b, b);
		for (int k = 0; k < MP_GROUP_SUMS; k++)
			sqlite3_bind_int64(insert, 3 + k, rows[i].sum[k]);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	return rc;
}

static int write_total(
    struct mp_session *s, const struct sums *u, const struct mp_report_scope *scope, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	int rc = prepare(s, "INSERT INTO why_total VALUES (?,?,?,?,?)", &insert, err);

	for (int i = 0; i < 4; i++)
		sqlite3_bind_int64(insert, 1 + i, u->total[i]);
	sqlite3_bind_int64(insert, 5, scope->covered_ns);
	if (!rc)
		rc = finish(s, insert, err);
	sqlite3_finalize(insert);
	return rc;
}

static int write_slowest(struct mp_session *s, struct mp_slowest *slowest, struct mp_err *err)
{
	sqlite3_stmt *insert = NULL;
	size_t n;
	const struct mp_slow_call *calls = mp_slowest_sort(slowest, &n);
	int rc = prepare(s, mp_embedded_text("sql/explain/fill_call.sql"), &insert, err);

	for (size_t i = 0; !rc && i < n; i++) {
		sqlite3_bind_int64(insert, 1, calls[i].call_id);
		rc = finish(s, insert, err);
	}
	sqlite3_finalize(insert);
	return rc;
}

int mp_why_sum(struct mp_session *s, const struct mp_report_scope *scope, size_t top, struct mp_err *err)
{
	struct sums u;
	int rc = new_sums(&u, top) ? read_tail(s, &u, err) : no_memory(err);

	if (!rc)
		rc = add_calls(s, scope, &u, err);
	if (!rc)
		rc = write_total(s, &u, scope, err);
	if (!rc)
		rc = write_groups(
		    s, "INSERT INTO why_cell VALUES (?,?,?,?,?,?,?)", u.cells, u.kinds, NULL, err);
	if (!rc)
		rc = write_groups(
		    s, "INSERT INTO why_detail VALUES (?,?,?,?,?,?,?)", u.by_detail, u.kinds, u.details, err);
	if (!rc)
		rc = write_groups(s, "INSERT INTO why_size VALUES (?,?,?,?,?,?,?)", u.sizes, NULL, NULL, err);
	if (!rc)
		rc = write_slowest(s, u.slowest, err);
	free_sums(&u);
	return rc;
}

static int put_part(struct mp_session *s, sqlite3_stmt *insert, int64_t call_id, sqlite3_stmt *cause,
    int64_t ns, struct mp_err *err)
{
	sqlite3_bind_int64(insert, 1, call_id);
	sqlite3_bind_int64(insert, 3, ns);
	if (cause) {
		sqlite3_bind_value(insert, 2, sqlite3_column_value(cause, 0));
		sqlite3_bind_value(insert, 4, sqlite3_column_value(cause, 2));
		sqlite3_bind_value(insert, 5, sqlite3_column_value(cause, 3));
	} else {
		sqlite3_bind_text(insert, 2, "unexplained", -1, SQLITE_STATIC);
		sqlite3_bind_int(insert, 4, 1);
		sqlite3_bind_null(insert, 5);
	}
	return finish(s, insert, err);
}

static int divide(
    struct mp_session *s, sqlite3_stmt *call, sqlite3_stmt *cause, sqlite3_stmt *insert, struct mp_err *err)
{
	int64_t call_id = sqlite3_column_int64(call, 0), left = sqlite3_column_int64(call, 1);
	int step = SQLITE_DONE, rc = 0;

	if (left < 0)
		left = 0;
	sqlite3_reset(cause);
	sqlite3_bind_int64(cause, 1, call_id);
	while (!rc && (step = sqlite3_step(cause)) == SQLITE_ROW) {
		int64_t ns = take(&left, sqlite3_column_int64(cause, 1));

		if (ns)
			rc = put_part(s, insert, call_id, cause, ns, err);
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	return rc ? rc : put_part(s, insert, call_id, NULL, left, err);
}

int mp_why_divide(struct mp_session *s, struct mp_err *err)
{
	sqlite3_stmt *call = NULL, *cause = NULL, *insert = NULL;
	int step = SQLITE_DONE;
	int rc = prepare(s, "SELECT call_id, dur_ns FROM why_call ORDER BY place", &call, err);

	if (!rc)
		rc = prepare(s,
		    "SELECT kind, dur_ns, n, detail FROM cause WHERE call_id = ? AND kind <> 'unexplained'"
		    " ORDER BY kind",
		    &cause, err);
	if (!rc)
		rc = prepare(s, "INSERT INTO why_part VALUES (?,?,?,?,?)", &insert, err);
	while (!rc && (step = sqlite3_step(call)) == SQLITE_ROW)
		rc = divide(s, call, cause, insert, err);
	if (!rc && step != SQLITE_DONE)
		rc = fail(s, err);
	sqlite3_finalize(call);
	sqlite3_finalize(cause);
	sqlite3_finalize(insert);
	return rc;
}
