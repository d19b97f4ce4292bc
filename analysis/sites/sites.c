/* SPDX-License-Identifier: MIT */
#include "analysis/sites/sites.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/components.h"
#include "analysis/each_row.h"
#include "store/op.h"

struct stack {
	int64_t stack_id;
	uint32_t site_no;
};

struct sites {
	struct mp_session *session;
	struct stack *stack; /* by stack_id */
	size_t n_stacks, stacks_room;
	uint32_t n_sites;
	struct mp_site_call *call;
	size_t n, room;
	double *bytes; /* by group */
	size_t *begin; /* by group, and one */
	size_t n_groups;
	struct mp_components *components; /* NULL: there are none */
	struct part *part;                /* by component and operation */
};

struct part {
	int64_t rows, calls, max_ns;
	double bytes, time_ns;
};

static int failed(struct sites *t, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(t->session),
	    sqlite3_errmsg(mp_session_db(t->session)));
}

static int no_memory(struct sites *t, struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "cannot read %s: out of memory", mp_session_path(t->session));
}

/* ---- Which stack is of which site ---- */

static int read_stacks(struct sites *t, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_ERROR, rc = 0;

	if (sqlite3_prepare_v2(mp_session_db(t->session),
		"SELECT stack_id, site_no FROM stack_site JOIN temp.sites_name USING (site) ORDER BY "
		"stack_id",
		-1, &st, NULL) != SQLITE_OK)
		return failed(t, err);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		if (t->n_stacks == t->stacks_room) {
			size_t room = t->stacks_room ? 2 * t->stacks_room : 1024;
			struct stack *more = realloc(t->stack, room * sizeof(*more));

			if (!more) {
				rc = no_memory(t, err);
				break;
			}
			t->stack = more;
			t->stacks_room = room;
		}
		struct stack *s = &t->stack[t->n_stacks++];
		s->stack_id = sqlite3_column_int64(st, 0);
		s->site_no = (uint32_t)sqlite3_column_int64(st, 1);
		t->n_sites = s->site_no > t->n_sites ? s->site_no : t->n_sites;
	}
	if (!rc && step != SQLITE_DONE)
		rc = failed(t, err);
	sqlite3_finalize(st);
	return rc;
}

static uint32_t site_of(const struct sites *t, int64_t stack_id)
{
	size_t lo = 0, hi = t->n_stacks;

	/* Stacks are numbered from 1 on, and all are there: the first guess is right. */
	if (stack_id > 0 && (uint64_t)stack_id <= t->n_stacks && t->stack[stack_id - 1].stack_id == stack_id)
		return t->stack[stack_id - 1].site_no;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t->stack[mid].stack_id == stack_id)
			return t->stack[mid].site_no;
		if (t->stack[mid].stack_id < stack_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

/* ---- The calls ---- */

static int64_t added(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_part(struct sites *t, sqlite3_value **row)
{
	int64_t op = sqlite3_value_int64(row[0]), dur_ns = sqlite3_value_int64(row[2]),
		weight = sqlite3_value_int64(row[3]), size = sqlite3_value_int64(row[4]);

	if (!t->components || !mp_op_is_known(op))
		return;
	int64_t component = mp_component_of(t->components, sqlite3_value_int64(row[6]),
	    sqlite3_value_int64(row[1]), size, sqlite3_value_int64(row[5]));
	struct part *p = &t->part[component * MP_OP_ROWS + mp_op_row((unsigned int)op)];
	p->rows++;
	p->calls = added(p->calls, weight);
	p->bytes += (double)weight * (double)size;
	p->time_ns += (double)weight * (double)dur_ns;
	if (dur_ns > p->max_ns)
		p->max_ns = dur_ns;
}

/* op_id, stack_id, dur_ns, weight, size_bytes, tid, scope_id */
static int take_call(void *ctx, sqlite3_value **row)
{
	struct sites *t = ctx;
	int64_t op = sqlite3_value_int64(row[0]), weight = sqlite3_value_int64(row[3]);

	add_part(t, row);
	if (op < 0 || op >= MP_OP_COUNT)
		return 0;
	if (t->n == t->room) {
		size_t room = t->room ? t->room + t->room / 2 : 65536;
		struct mp_site_call *more = realloc(t->call, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->call = more;
		t->room = room;
	}
	uint32_t group = site_of(t, sqlite3_value_int64(row[1])) * MP_OP_COUNT + (uint32_t)op;
	t->call[t->n++] =
	    (struct mp_site_call){.dur_ns = sqlite3_value_int64(row[2]), .weight = weight, .group = group};
	t->bytes[group] += (double)weight * (double)sqlite3_value_int64(row[4]);
	t->begin[group + 1]++;
	return 0;
}

/* Older sessions know no scopes. */
#define CALLS_OF(SCOPE_ID)                                                                                   \
	"SELECT 1 FROM main.call WHERE t_ns >= ?1 AND t_ns < ?2 AND (?3 = 0 OR tid = ?3)"                    \
	" AND mp_take(?4, op_id, stack_id, dur_ns, weight, size_bytes, tid, " SCOPE_ID ")"

static int read_calls(struct sites *t, const struct mp_report_scope *scope, struct mp_err *err)
{
	bool has_scopes = t->components && mp_components_have_scopes(t->components);

	if (t->components)
		t->part = calloc(mp_components_room(t->components) * MP_OP_ROWS, sizeof(*t->part));
	if (t->components && !t->part)
		return no_memory(t, err);
	t->n_groups = ((size_t)t->n_sites + 1) * MP_OP_COUNT;
	t->bytes = calloc(t->n_groups, sizeof(*t->bytes));
	t->begin = calloc(t->n_groups + 1, sizeof(*t->begin));
	if (!t->bytes || !t->begin)
		return no_memory(t, err);
	int rc = mp_each_row(
	    t->session, has_scopes ? CALLS_OF("scope_id") : CALLS_OF("0"), scope, take_call, t, err);
	return rc == -ENOMEM ? no_memory(t, err) : rc;
}

/* In place: each call is put where its group begins, which is then one further, until all are at home. */
static int sort_by_group(struct sites *t, struct mp_err *err)
{
	size_t *next = calloc(t->n_groups + 1, sizeof(*next));

	if (!next)
		return no_memory(t, err);
	for (size_t g = 0; g < t->n_groups; g++)
		t->begin[g + 1] += t->begin[g];
	memcpy(next, t->begin, (t->n_groups + 1) * sizeof(*next));
	for (size_t g = 0; g < t->n_groups; g++)
		while (next[g] < t->begin[g + 1]) {
			struct mp_site_call *c = &t->call[next[g]];
			uint32_t home = c->group;

			if (home == g) {
				next[g]++;
				continue;
			}
			struct mp_site_call other = t->call[next[home]];
			t->call[next[home]++] = *c;
			*c = other;
		}
	free(next);
	return 0;
}

static int by_duration(const void *a, const void *b)
{
	const struct mp_site_call *x = a, *y = b;

	return x->dur_ns < y->dur_ns ? -1 : x->dur_ns > y->dur_ns;
}

struct mp_site_sum mp_site_sum(struct mp_site_call *call, size_t n)
{
	struct mp_site_sum s = {.rows = (int64_t)n};
	int64_t upto = 0;
	bool has_p50 = false, has_p99 = false;

	if (n)
		qsort(call, n, sizeof(*call), by_duration);
	for (size_t i = 0; i < n; i++) {
		s.calls = added(s.calls, call[i].weight);
		s.time_ns += (double)call[i].weight * (double)call[i].dur_ns;
	}
	/* Nearest rank, ceil(q * calls), without an overflow. */
	int64_t rank50 = s.calls / 2 + s.calls % 2, rank99 = s.calls - s.calls / 100;
	for (size_t i = 0; i < n; i++) {
		upto = added(upto, call[i].weight);
		if (!has_p50 && upto >= rank50) {
			s.p50_ns = call[i].dur_ns;
			has_p50 = true;
		}
		if (!has_p99 && upto >= rank99) {
			s.p99_ns = call[i].dur_ns;
			has_p99 = true;
		}
	}
	s.max_ns = n ? call[n - 1].dur_ns : 0;
	return s;
}

/* ---- The tables ---- */

static const char tables[] =
    "DROP TABLE IF EXISTS temp.sites_name; DROP TABLE IF EXISTS temp.sites_sum;"
    "CREATE TEMP TABLE sites_name(site_no INTEGER PRIMARY KEY, site TEXT UNIQUE);"
    "CREATE TEMP TABLE sites_sum(site_no, op_id, rows, calls, bytes, time_ns, p50_ns, p99_ns, max_ns);"
    "DROP TABLE IF EXISTS temp.sites_component;"
    "CREATE TEMP TABLE sites_component(component_id, op_id, rows, calls, bytes, time_ns, max_ns);"
    "INSERT INTO temp.sites_name (site) SELECT DISTINCT site FROM stack_site";

static int64_t as_integer(double v)
{
	return v >= 9.2233720368547e18 ? INT64_MAX : v <= -9.2233720368547e18 ? INT64_MIN : (int64_t)v;
}

static int write_values(struct sites *t, sqlite3_stmt *st, const int64_t *value, int n, struct mp_err *err)
{
	for (int i = 0; i < n; i++)
		sqlite3_bind_int64(st, i + 1, value[i]);
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(t, err);
	sqlite3_reset(st);
	return rc;
}

static int write_parts(struct sites *t, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	size_t n = t->components ? mp_components_room(t->components) * MP_OP_ROWS : 0;
	int rc = sqlite3_prepare_v2(mp_session_db(t->session),
		     "INSERT INTO temp.sites_component VALUES (?,?,?,?,?,?,?)", -1, &st, NULL) == SQLITE_OK
		     ? 0
		     : failed(t, err);

	for (size_t i = 0; !rc && i < n; i++) {
		const struct part *p = &t->part[i];
		const int64_t value[] = {(int64_t)(i / MP_OP_ROWS), mp_op_of_row(i % MP_OP_ROWS), p->rows,
		    p->calls, as_integer(p->bytes), as_integer(p->time_ns), p->max_ns};
		if (p->rows)
			rc = write_values(t, st, value, sizeof(value) / sizeof(*value), err);
	}
	sqlite3_finalize(st);
	return rc;
}

static int write_sums(struct sites *t, struct mp_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(mp_session_db(t->session),
		     "INSERT INTO temp.sites_sum VALUES (?,?,?,?,?,?,?,?,?)", -1, &st, NULL) == SQLITE_OK
		     ? 0
		     : failed(t, err);

	for (size_t g = 0; !rc && g < t->n_groups; g++) {
		size_t n = t->begin[g + 1] - t->begin[g];
		if (!n)
			continue;
		struct mp_site_sum s = mp_site_sum(t->call + t->begin[g], n);
		const int64_t value[] = {(int64_t)(g / MP_OP_COUNT), (int64_t)(g % MP_OP_COUNT), s.rows,
		    s.calls, as_integer(t->bytes[g]), as_integer(s.time_ns), s.p50_ns, s.p99_ns, s.max_ns};
		rc = write_values(t, st, value, sizeof(value) / sizeof(*value), err);
	}
	sqlite3_finalize(st);
	return rc;
}

int mp_sites_fill(struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct sites t = {.session = s};
	sqlite3 *db = mp_session_db(s);
	int rc = 0;

	if (sqlite3_exec(db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY", NULL, NULL, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(db, tables, NULL, NULL, NULL) != SQLITE_OK)
		rc = failed(&t, err);
	if (!rc)
		rc = read_stacks(&t, err);
	if (!rc)
		rc = mp_components_load(s, &t.components, err);
	if (!rc)
		rc = read_calls(&t, scope, err);
	if (!rc)
		rc = sort_by_group(&t, err);
	if (!rc)
		rc = write_sums(&t, err);
	if (!rc)
		rc = write_parts(&t, err);
	sqlite3_exec(db, "PRAGMA query_only=ON", NULL, NULL, NULL);
	free(t.stack);
	free(t.call);
	free(t.bytes);
	free(t.begin);
	mp_components_free(t.components);
	free(t.part);
	return rc;
}
