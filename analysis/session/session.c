/* SPDX-License-Identifier: MIT */
#include "analysis/session/session.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/components.h"
#include "analysis/each_row.h"
#include "analysis/session/found.h"
#include "analysis/stats/tally.h"
#include "store/embed.h"
#include "store/op.h"

#define PHASES_MAX 256 /* the whole included */
#define KINDS_MAX  128 /* of causes; further ones are passed over */

/* Sums of kept calls, by phase and stack or component: open addressing. */
struct cell {
	int64_t n, key; /* n < 0: unused */
	double calls, bytes, time_ns;
};

struct cells {
	struct cell *cell;
	size_t n, room; /* a power of two */
};

struct phase {
	char *name, *source;
	int64_t nth, start_ns, end_ns; /* end exclusive */
	int64_t covered_ns, frees;
	double bytes;
	struct mp_tally alloc;
};

struct filling {
	struct mp_session *session;
	const struct mp_report_scope *scope;
	struct mp_err *err;
	struct phase phase[PHASES_MAX];
	size_t n;
	struct mp_components *components; /* NULL: no rules */
	struct cells stacks, parts, causes;
	char *kind[KINDS_MAX];
	size_t n_kinds;
	/* Those that the slot last asked for lies in. */
	int64_t slot_ns, slot_middle_ns;
	size_t in[PHASES_MAX], n_in;
};

static int failed(const struct filling *f)
{
	return mp_err_set(f->err, EIO, "cannot read %s: %s", mp_session_path(f->session),
	    sqlite3_errmsg(mp_session_db(f->session)));
}

static int no_memory(const struct filling *f)
{
	return mp_err_set(f->err, ENOMEM, "cannot read %s: out of memory", mp_session_path(f->session));
}

/* ---- Phases ---- */

static int add_phase(
    struct filling *f, const char *name, const char *source, int64_t start_ns, int64_t end_ns)
{
	struct phase *p = &f->phase[f->n];

	if (start_ns < f->scope->from_ns)
		start_ns = f->scope->from_ns;
	if (end_ns > f->scope->to_ns)
		end_ns = f->scope->to_ns;
	if (end_ns <= start_ns || f->n == PHASES_MAX)
		return 0;
	*p = (struct phase){.name = strdup(name),
	    .source = source ? strdup(source) : NULL,
	    .start_ns = start_ns,
	    .end_ns = end_ns};
	f->n++;
	if (!p->name || (source && !p->source))
		return no_memory(f);
	for (size_t i = 1; source && i < f->n; i++)
		p->nth += !strcmp(f->phase[i].name, name);
	return 0;
}

static int read_phases(struct filling *f)
{
	const struct mp_report_scope *b = f->scope;
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, ret = add_phase(f, "(all)", NULL, b->start_ns, b->end_ns);

	if (ret)
		return ret;
	if (sqlite3_prepare_v2(mp_session_db(f->session),
		"SELECT name, source, start_ns, coalesce(end_ns, ?1) FROM phase ORDER BY start_ns, end_ns "
		"DESC, phase_id",
		-1, &st, NULL) != SQLITE_OK)
		return failed(f);
	sqlite3_bind_int64(st, 1, b->end_ns);
	while (!ret && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		const char *source = (const char *)sqlite3_column_text(st, 1);
		ret = add_phase(f, name ? name : "", source ? source : "", sqlite3_column_int64(st, 2),
		    sqlite3_column_int64(st, 3));
	}
	if (!ret && step != SQLITE_DONE)
		ret = failed(f);
	sqlite3_finalize(st);
	return ret;
}

/* Where none are told. */
static int find_phases(struct filling *f)
{
	struct mp_found_phase *found;
	size_t n;
	int ret = mp_find_phases(f->session, f->scope, &found, &n, f->err);

	for (size_t i = 0; !ret && i < n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "found %zu", i + 1);
		ret = add_phase(f, name, "found", found[i].start_ns, found[i].end_ns);
	}
	free(found);
	return ret;
}

static void find_at(struct filling *f, int64_t t_ns)
{
	f->n_in = 0;
	for (size_t i = 0; i < f->n; i++)
		if (t_ns >= f->phase[i].start_ns && t_ns < f->phase[i].end_ns)
			f->in[f->n_in++] = i;
}

/* ---- Every call, by the slot ---- */

/* slot_ns, dur_ns */
static int take_slot(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t slot_ns = sqlite3_value_int64(row[0]), dur_ns = sqlite3_value_int64(row[1]);

	find_at(f, slot_ns + dur_ns / 2);
	for (size_t i = 0; i < f->n_in; i++)
		f->phase[f->in[i]].covered_ns += dur_ns;
	return 0;
}

static void enter_slot(struct filling *f, int64_t slot_ns, int64_t dur_ns)
{
	if (slot_ns == f->slot_ns)
		return;
	f->slot_ns = slot_ns;
	find_at(f, slot_ns + dur_ns / 2);
}

static bool gives_memory(int64_t op)
{
	return op >= 0 && op < MP_OP_COUNT && op != MP_OP_FREE && op != MP_OP_DELETE;
}

/* slot_ns, dur_ns, op_id, bucket, calls */
static int take_bucket(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;

	if (!gives_memory(sqlite3_value_int64(row[2])))
		return 0;
	enter_slot(f, sqlite3_value_int64(row[0]), sqlite3_value_int64(row[1]));
	for (size_t i = 0; i < f->n_in; i++)
		if (mp_tally_add(
			&f->phase[f->in[i]].alloc, sqlite3_value_int64(row[3]), sqlite3_value_int64(row[4])))
			return -ENOMEM;
	return 0;
}

/* slot_ns, dur_ns, op_id, calls, bytes, sum_ns, max_ns */
static int take_sum(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t op = sqlite3_value_int64(row[2]), calls = sqlite3_value_int64(row[3]);

	enter_slot(f, sqlite3_value_int64(row[0]), sqlite3_value_int64(row[1]));
	for (size_t i = 0; i < f->n_in; i++) {
		struct phase *p = &f->phase[f->in[i]];
		if (op == MP_OP_FREE || op == MP_OP_DELETE)
			p->frees += calls;
		if (!gives_memory(op))
			continue;
		p->bytes += sqlite3_value_double(row[4]);
		mp_tally_add_exact(
		    &p->alloc, calls, sqlite3_value_double(row[5]), sqlite3_value_int64(row[6]));
	}
	return 0;
}

/* A slot without a row of its own, of older sessions, is a second. */
static int count_calls(struct filling *f)
{
	int ret = mp_each_row(f->session, "SELECT 1 FROM slot WHERE mp_take(?4, slot_ns, dur_ns)", f->scope,
	    take_slot, f, f->err);

	f->slot_ns = INT64_MIN;
	if (!ret)
		ret = mp_each_row(f->session,
		    "SELECT 1 FROM main.latency LEFT JOIN slot USING (slot_ns) WHERE"
		    " mp_take(?4, slot_ns, coalesce(dur_ns, 1000000000), op_id, bucket, calls)",
		    f->scope, take_bucket, f, f->err);
	if (!ret)
		ret = mp_each_row(f->session,
		    "SELECT 1 FROM main.latency_sum LEFT JOIN slot USING (slot_ns) WHERE"
		    " mp_take(?4, slot_ns, coalesce(dur_ns, 1000000000), op_id, calls, bytes, sum_ns, "
		    "max_ns)",
		    f->scope, take_sum, f, f->err);
	return ret == -ENOMEM ? no_memory(f) : ret;
}

/* ---- The kept calls ---- */

static struct cell *slot_for(struct cells *c, int64_t n, int64_t key)
{
	uint64_t hash = ((uint64_t)key * 256 + (uint64_t)n) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 32) & (c->room - 1);

	while (c->cell[i].n >= 0 && (c->cell[i].n != n || c->cell[i].key != key))
		i = (i + 1) & (c->room - 1);
	return &c->cell[i];
}

static bool grow(struct cells *c)
{
	struct cells more = {.n = c->n, .room = c->room ? 2 * c->room : 1024};

	more.cell = calloc(more.room, sizeof(*more.cell));
	if (!more.cell)
		return false;
	for (size_t i = 0; i < more.room; i++)
		more.cell[i].n = -1;
	for (size_t i = 0; i < c->room; i++)
		if (c->cell[i].n >= 0)
			*slot_for(&more, c->cell[i].n, c->cell[i].key) = c->cell[i];
	free(c->cell);
	*c = more;
	return true;
}

static bool add_to(struct cells *c, size_t n, int64_t key, const struct cell *what)
{
	if (4 * (c->n + 1) > 3 * c->room && !grow(c))
		return false;
	struct cell *cell = slot_for(c, (int64_t)n, key);
	if (cell->n < 0) {
		*cell = (struct cell){.n = (int64_t)n, .key = key};
		c->n++;
	}
	cell->calls += what->calls;
	cell->bytes += what->bytes;
	cell->time_ns += what->time_ns;
	return true;
}

/* t_ns, tid, op_id, size_bytes, dur_ns, weight, stack_id */
static int take_call(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	int64_t tid = sqlite3_value_int64(row[1]), size = sqlite3_value_int64(row[3]),
		stack_id = sqlite3_value_int64(row[6]);
	double weight = sqlite3_value_double(row[5]);
	const struct cell what = {.calls = weight,
	    .bytes = weight * (double)size,
	    .time_ns = weight * sqlite3_value_double(row[4])};

	if (!gives_memory(sqlite3_value_int64(row[2])))
		return 0;
	int64_t part = f->components ? mp_component_of(f->components, stack_id, size, tid) : 0;
	find_at(f, sqlite3_value_int64(row[0]));
	for (size_t i = 0; i < f->n_in; i++)
		if (!add_to(&f->stacks, f->in[i], stack_id, &what) ||
		    (f->components && !add_to(&f->parts, f->in[i], part, &what)))
			return -ENOMEM;
	return 0;
}

static int sum_kept(struct filling *f)
{
	int ret = mp_components_load(f->session, &f->components, f->err);

	if (!ret)
		ret = mp_each_row(f->session,
		    "SELECT 1 FROM main.call WHERE t_ns >= ?1 AND t_ns < ?2"
		    " AND mp_take(?4, t_ns, tid, op_id, size_bytes, dur_ns, weight, stack_id)",
		    f->scope, take_call, f, f->err);
	return ret == -ENOMEM ? no_memory(f) : ret;
}

/* -1: there are too many; -ENOMEM. */
static int kind_number(struct filling *f, const char *kind)
{
	for (size_t i = 0; i < f->n_kinds; i++)
		if (!strcmp(f->kind[i], kind))
			return (int)i;
	if (f->n_kinds == KINDS_MAX)
		return -1;
	f->kind[f->n_kinds] = strdup(kind);
	return f->kind[f->n_kinds] ? (int)f->n_kinds++ : -ENOMEM;
}

/* t_ns, kind, dur_ns, n, weight */
static int take_cause(void *ctx, sqlite3_value **row)
{
	struct filling *f = ctx;
	const char *kind = (const char *)sqlite3_value_text(row[1]);
	double weight = sqlite3_value_double(row[4]);
	const struct cell what = {
	    .calls = weight * sqlite3_value_double(row[3]), .time_ns = weight * sqlite3_value_double(row[2])};
	int number = kind ? kind_number(f, kind) : -1;

	find_at(f, sqlite3_value_int64(row[0]));
	for (size_t i = 0; number >= 0 && i < f->n_in; i++)
		if (!add_to(&f->causes, f->in[i], number, &what))
			return -ENOMEM;
	return number == -ENOMEM ? number : 0;
}

static int sum_causes(struct filling *f)
{
	int ret = mp_each_row(f->session,
	    "SELECT 1 FROM main.cause CROSS JOIN main.call USING (call_id) WHERE t_ns >= ?1 AND t_ns < ?2"
	    " AND mp_take(?4, t_ns, kind, cause.dur_ns, n, weight)",
	    f->scope, take_cause, f, f->err);
	return ret == -ENOMEM ? no_memory(f) : ret;
}

/* ---- Into the tables ---- */

static int insert(struct filling *f, sqlite3_stmt *st)
{
	sqlite3_step(st);
	return sqlite3_reset(st) == SQLITE_OK ? 0 : failed(f); /* reset() repeats what step() answered */
}

static int insert_phase(struct filling *f, sqlite3_stmt *st, size_t n)
{
	const struct phase *p = &f->phase[n];

	sqlite3_clear_bindings(st);
	sqlite3_bind_int64(st, 1, (int64_t)n);
	sqlite3_bind_text(st, 2, p->name, -1, SQLITE_STATIC);
	if (p->source) {
		sqlite3_bind_int64(st, 3, p->nth);
		sqlite3_bind_text(st, 4, p->source, -1, SQLITE_STATIC);
	}
	sqlite3_bind_int64(st, 5, p->start_ns);
	sqlite3_bind_int64(st, 6, p->end_ns);
	sqlite3_bind_int64(st, 7, p->covered_ns);
	sqlite3_bind_int64(st, 8, p->alloc.calls);
	sqlite3_bind_int64(st, 9, p->frees);
	sqlite3_bind_double(st, 10, p->bytes);
	sqlite3_bind_double(st, 11, p->alloc.sum_ns);
	if (p->alloc.calls) {
		struct mp_spread s = mp_tally_spread(&p->alloc);
		sqlite3_bind_int64(st, 12, s.quantile_ns[0]);
		sqlite3_bind_int64(st, 13, s.quantile_ns[2]);
		sqlite3_bind_int64(st, 14, s.quantile_ns[3]);
		sqlite3_bind_int64(st, 15, s.max_ns);
	}
	return insert(f, st);
}

static int insert_cells(struct filling *f, const struct cells *c, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int ret =
	    sqlite3_prepare_v2(mp_session_db(f->session), sql, -1, &st, NULL) == SQLITE_OK ? 0 : failed(f);

	for (size_t i = 0; !ret && i < c->room; i++) {
		if (c->cell[i].n < 0)
			continue;
		sqlite3_bind_int64(st, 1, c->cell[i].n);
		sqlite3_bind_int64(st, 2, c->cell[i].key);
		sqlite3_bind_double(st, 3, c->cell[i].calls);
		sqlite3_bind_double(st, 4, c->cell[i].bytes);
		sqlite3_bind_double(st, 5, c->cell[i].time_ns);
		ret = insert(f, st);
	}
	sqlite3_finalize(st);
	return ret;
}

static int insert_cause(struct filling *f, const struct cell *c)
{
	sqlite3_stmt *st = NULL;
	int ret = 0;

	if (sqlite3_prepare_v2(mp_session_db(f->session), "INSERT INTO temp.session_cause VALUES (?,?,?,?)",
		-1, &st, NULL) != SQLITE_OK)
		return failed(f);
	sqlite3_bind_int64(st, 1, c->n);
	sqlite3_bind_text(st, 2, f->kind[c->key], -1, SQLITE_STATIC);
	sqlite3_bind_double(st, 3, c->calls);
	sqlite3_bind_double(st, 4, c->time_ns);
	ret = insert(f, st);
	sqlite3_finalize(st);
	return ret;
}

static int write_tables(struct filling *f)
{
	sqlite3_stmt *st = NULL;
	int ret = 0;

	if (sqlite3_exec(mp_session_db(f->session), mp_embedded_text("sql/session/tables.sql"), NULL, NULL,
		NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(mp_session_db(f->session),
		"INSERT INTO temp.session_phase VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &st,
		NULL) != SQLITE_OK)
		return failed(f);
	for (size_t i = 0; !ret && i < f->n; i++)
		ret = insert_phase(f, st, i);
	sqlite3_finalize(st);
	if (!ret)
		ret = insert_cells(f, &f->stacks, "INSERT INTO temp.session_stack VALUES (?,?,?,?,?)");
	if (!ret)
		ret = insert_cells(f, &f->parts, "INSERT INTO temp.session_component VALUES (?,?,?,?,?)");
	for (size_t i = 0; !ret && i < f->causes.room; i++)
		if (f->causes.cell[i].n >= 0)
			ret = insert_cause(f, &f->causes.cell[i]);
	return ret;
}

int mp_session_report_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct filling *f = calloc(1, sizeof(*f));

	if (!f)
		return mp_err_set(err, ENOMEM, "out of memory");
	*f = (struct filling){.session = s, .scope = scope, .err = err};
	int ret = read_phases(f);
	if (!ret && f->n == 1)
		ret = find_phases(f);
	if (!ret)
		ret = count_calls(f);
	if (!ret)
		ret = sum_kept(f);
	if (!ret)
		ret = sum_causes(f);
	sqlite3_exec(mp_session_db(s), "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY; SAVEPOINT session",
	    NULL, NULL, NULL);
	if (!ret)
		ret = write_tables(f);
	sqlite3_exec(mp_session_db(s), "RELEASE session; PRAGMA query_only=ON", NULL, NULL, NULL);
	for (size_t i = 0; i < f->n; i++) {
		free(f->phase[i].name);
		free(f->phase[i].source);
		mp_tally_clear(&f->phase[i].alloc);
	}
	mp_components_free(f->components);
	free(f->stacks.cell);
	free(f->parts.cell);
	free(f->causes.cell);
	for (size_t i = 0; i < f->n_kinds; i++)
		free(f->kind[i]);
	free(f);
	return ret;
}
