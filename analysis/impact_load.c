/* SPDX-License-Identifier: MIT */
#include "analysis/impact_priv.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/report.h"
#include "store/embed.h"
#include "store/op.h"

#define NAME_MAX_BYTES 200
#define CAUSES_MAX     2000 /* a call: as many as its field holds; there are some dozen kinds */

struct loader {
	struct mp_impact *m;
	struct mp_session *s;
	struct mp_err *err;
	struct stack {
		int64_t stack_id;
		uint32_t site;
	} * stack; /* by stack_id */
	size_t stacks;
};

static int no_memory(struct loader *l)
{
	return mp_err_set(l->err, ENOMEM, "out of memory");
}

static int fail(struct loader *l)
{
	return mp_err_set(
	    l->err, EIO, "cannot read %s: %s", mp_session_path(l->s), sqlite3_errmsg(mp_session_db(l->s)));
}

static sqlite3_stmt *query(struct loader *l, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(mp_session_db(l->s), sql, -1, &stmt, NULL) != SQLITE_OK)
		fail(l);
	return stmt;
}

/* Room for one more element of `size` behind `n` of an array, whose pointer `array` points to. */
static bool room(void *array, size_t n, size_t size)
{
	void *old;

	if (n & (n - 1) || (n && n < 16))
		return true;
	memcpy(&old, array, sizeof(old));
	void *grown = realloc(old, (n ? n * 2 : 16) * size);
	if (grown)
		memcpy(array, &grown, sizeof(grown));
	return grown;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* A time; < 0 where it is not known. */
static int64_t time_of(sqlite3_stmt *stmt, int col)
{
	int64_t ns = sqlite3_column_int64(stmt, col);

	/* NULL reads as 0: only then is it looked at, for there are millions. */
	if (!ns && sqlite3_column_type(stmt, col) == SQLITE_NULL)
		return -1;
	return clamp(ns, 0, MP_IMPACT_NS);
}

/* ---- Sites ---- */

static int load_stacks(struct loader *l)
{
	sqlite3_stmt *stmt = query(l, "SELECT stack_id, site_no FROM temp.impact_site ORDER BY stack_id");
	int rc = 0, step = SQLITE_DONE;

	if (!stmt)
		return -EIO;
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!room(&l->stack, l->stacks, sizeof(*l->stack))) {
			rc = no_memory(l);
			break;
		}
		l->stack[l->stacks++] = (struct stack){sqlite3_column_int64(stmt, 0),
		    (uint32_t)clamp(sqlite3_column_int64(stmt, 1), 0, MP_IMPACT_SITE_OTHER)};
	}
	if (!rc && step != SQLITE_DONE)
		rc = fail(l);
	sqlite3_finalize(stmt);
	return rc;
}

static uint32_t site_of(const struct loader *l, sqlite3_stmt *stmt, int col)
{
	int64_t id = sqlite3_column_int64(stmt, col);
	size_t lo = 0, hi = l->stacks;

	/* Recorders number them from 1. NULL reads as 0, which is no stack's number. */
	if (id > 0 && (uint64_t)id <= l->stacks && l->stack[id - 1].stack_id == id)
		return l->stack[id - 1].site;
	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (l->stack[middle].stack_id < id)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < l->stacks && l->stack[lo].stack_id == id ? l->stack[lo].site : 0;
}

/* ---- Calls and their causes: two cursors in the order of call_id ---- */

static unsigned int parts_of_kind(const char *kind, size_t n)
{
	enum { FAULT = 1u << MP_IMPACT_FAULT, OFF_CPU = 1u << MP_IMPACT_OFF_CPU, GC = 1u << MP_IMPACT_GC };
	static const struct {
		const char *kind; /* or the beginning of one, up to a colon */
		unsigned int parts;
	} known[] = {{"minor_fault", FAULT}, {"major_fault", FAULT | OFF_CPU}, {"thp", FAULT},
	    {"mmap_lock", FAULT | OFF_CPU}, {"syscall:", OFF_CPU}, {"lock", OFF_CPU}, {"off_cpu", OFF_CPU},
	    {"stopped", OFF_CPU}, {"migration", OFF_CPU}, {"fault", FAULT}, {"gc", GC | OFF_CPU}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t length = strlen(known[i].kind);

		if (n >= length && !memcmp(kind, known[i].kind, length) &&
		    (n == length || known[i].kind[length - 1] == ':'))
			return known[i].parts;
	}
	return 0;
}

static unsigned int kind_of(struct mp_impact *m, const char *text, size_t n)
{
	n = n < sizeof(m->kind->text) ? n : sizeof(m->kind->text);
	for (uint32_t i = 0; i < m->kinds; i++)
		if (m->kind[i].length == n && !memcmp(m->kind[i].text, text, n))
			return i;
	if (m->kinds == MP_IMPACT_KINDS)
		return MP_IMPACT_KIND_OTHER;
	struct mp_impact_kind *k = &m->kind[m->kinds];
	memcpy(k->text, text, n);
	k->length = n;
	k->within = parts_of_kind(text, n);
	return m->kinds++;
}

static void fixed_kinds(struct mp_impact *m)
{
	static const char *const text[] = {"unexplained", "fault", "off_cpu", "gc", "[other]"};

	for (size_t i = 0; i < MP_IMPACT_KINDS_FIXED; i++)
		kind_of(m, text[i], strlen(text[i]));
}

/* To the call that was added last. */
static int add_cause(struct loader *l, unsigned int kind, int64_t ns)
{
	struct mp_impact *m = l->m;

	if (m->causes == MP_IMPACT_CAUSES)
		return mp_err_set(l->err, E2BIG, "%s has more than %u causes of kept calls: too many",
		    mp_session_path(l->s), MP_IMPACT_CAUSES);
	struct mp_impact_call *call = &m->call[m->calls - 1];
	if (call->causes == CAUSES_MAX)
		return 0;
	if (!room(&m->cause, m->causes, sizeof(*m->cause)))
		return no_memory(l);
	call->causes++;
	m->cause[m->causes].kind = kind;
	m->cause[m->causes++].ns = (uint64_t)ns;
	return 0;
}

/* The causes of the call that was added last. The cursor stands at the first of them or of a later call;
 * *step is what its last step gave. A call of which nothing is known is unexplained. */
static int add_causes(struct loader *l, sqlite3_stmt *stmt, int *step, int64_t call_id)
{
	const struct mp_impact_call *call = &l->m->call[l->m->calls - 1];
	int rc = 0;

	for (; !rc && *step == SQLITE_ROW; *step = sqlite3_step(stmt)) {
		int64_t id = sqlite3_column_int64(stmt, 0), ns = time_of(stmt, 2);

		if (id > call_id)
			break;
		if (id < call_id || ns < 0)
			continue;
		/* As a blob: SQLite would copy a text, to end it with a zero. */
		const char *kind = sqlite3_column_blob(stmt, 1);
		size_t n = kind ? (size_t)sqlite3_column_bytes(stmt, 1) : 0;

		rc = add_cause(l, kind_of(l->m, kind ? kind : "", n), ns);
	}
	return rc || call->causes ? rc : add_cause(l, MP_IMPACT_UNEXPLAINED, call->dur_ns);
}

static int add_call(struct loader *l, sqlite3_stmt *stmt)
{
	struct mp_impact *m = l->m;
	int64_t t_ns = sqlite3_column_int64(stmt, 1),
		dur_ns = clamp(sqlite3_column_int64(stmt, 4), 0, MP_IMPACT_NS);
	uint32_t op = (uint32_t)clamp(sqlite3_column_int64(stmt, 3), 0, MP_IMPACT_OPS - 1);
	int64_t kept = sqlite3_column_int64(stmt, 5);

	if (m->calls == MP_IMPACT_ROWS)
		return mp_err_set(l->err, E2BIG,
		    "%s has more than %u kept calls: too many for this report: record less, or without "
		    "--full",
		    mp_session_path(l->s), MP_IMPACT_ROWS);
	if (!room(&m->call, m->calls, sizeof(*m->call)))
		return no_memory(l);
	struct mp_impact_call *c = &m->call[m->calls++];
	*c = (struct mp_impact_call){.dur_ns = dur_ns,
	    .tid = (uint32_t)sqlite3_column_int64(stmt, 2),
	    .group = site_of(l, stmt, 7) * MP_IMPACT_OPS + op,
	    .cause = m->causes,
	    .weight = (uint32_t)clamp(sqlite3_column_int64(stmt, 6), 0, (1 << 30) - 1),
	    .sample = kept == MP_KEPT_SAMPLE,
	    .outlier = kept == MP_KEPT_OUTLIER};
	if (__builtin_add_overflow(t_ns, dur_ns / 2, &c->mid_ns))
		c->mid_ns = INT64_MAX;
	return 0;
}

static int load_calls(struct loader *l)
{
	sqlite3_stmt *call = query(
	    l, "SELECT call_id, t_ns, tid, op_id, dur_ns, kept, weight, stack_id FROM call ORDER BY call_id");
	sqlite3_stmt *cause = query(l, "SELECT call_id, kind, dur_ns FROM cause ORDER BY call_id");
	int step = SQLITE_DONE, at = SQLITE_DONE, rc = call && cause ? 0 : -EIO;

	if (!rc)
		at = sqlite3_step(cause);
	while (!rc && (step = sqlite3_step(call)) == SQLITE_ROW) {
		rc = add_call(l, call);
		if (!rc)
			rc = add_causes(l, cause, &at, sqlite3_column_int64(call, 0));
	}
	if (!rc && (step != SQLITE_DONE || (at != SQLITE_DONE && at != SQLITE_ROW)))
		rc = fail(l);
	sqlite3_finalize(call);
	sqlite3_finalize(cause);
	return rc;
}

/* ---- Spans ---- */

static int name_of(struct loader *l, sqlite3_stmt *stmt, uint16_t *out)
{
	struct mp_impact *m = l->m;
	const char *text = sqlite3_column_blob(stmt, 0);
	size_t n = text ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;

	if (n > NAME_MAX_BYTES)
		n = NAME_MAX_BYTES;
	for (uint32_t i = 0; i < m->names; i++)
		if (m->name[i].length == n && !memcmp(m->name[i].text, text ? text : "", n)) {
			*out = (uint16_t)i;
			return 0;
		}
	*out = (uint16_t)(m->names < MP_IMPACT_NAMES ? m->names : MP_IMPACT_NAMES - 1);
	if (m->names == MP_IMPACT_NAMES)
		return 0;
	if (m->names == MP_IMPACT_NAMES - 1) {
		text = "[other names]";
		n = strlen(text);
	}
	struct mp_impact_name *name = &m->name[m->names];
	if (!(name->text = malloc(n + 1)))
		return no_memory(l);
	memcpy(name->text, text ? text : "", n);
	name->text[n] = '\0';
	name->length = n;
	m->names++;
	return 0;
}

static int add_span(struct loader *l, sqlite3_stmt *stmt)
{
	struct mp_impact *m = l->m;

	if (sqlite3_column_int64(stmt, 3) < 0)
		return 0; /* no recorder writes that */
	if (m->spans == MP_IMPACT_ROWS)
		return mp_err_set(l->err, E2BIG,
		    "%s has more than %u spans: choose a part, with --from and --to", mp_session_path(l->s),
		    MP_IMPACT_ROWS);
	if (!room(&m->span, m->spans, sizeof(*m->span)))
		return no_memory(l);
	struct mp_impact_span *span = &m->span[m->spans];
	*span = (struct mp_impact_span){.dur_ns = time_of(stmt, 3),
	    .part_ns = {time_of(stmt, 4), time_of(stmt, 6), time_of(stmt, 7), time_of(stmt, 8)},
	    .alloc_calls = (uint32_t)clamp(sqlite3_column_int64(stmt, 5), 0, UINT32_MAX)};
	int rc = name_of(l, stmt, &span->name);
	if (rc)
		return rc;
	if (!span->alloc_calls && sqlite3_column_type(stmt, 5) == SQLITE_NULL)
		span->part_ns[MP_IMPACT_ALLOC] = -1; /* a time of so many calls as nobody knows */
	for (int i = 0; i < MP_IMPACT_PARTS; i++)
		if (span->part_ns[i] > span->dur_ns)
			span->part_ns[i] = span->dur_ns;
	mp_impact_find_calls(m, span, (uint32_t)sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2));
	m->name[span->name].spans++;
	m->name[span->name].time_ns += (double)span->dur_ns;
	m->spans++;
	return 0;
}

static int load_spans(struct loader *l, const struct mp_report_scope *scope)
{
	sqlite3_stmt *stmt = query(l,
	    "SELECT name, tid, t_ns, dur_ns, alloc_ns, alloc_calls, fault_ns, off_cpu_ns, gc_ns FROM span"
	    " WHERE t_ns >= ?1 AND t_ns < ?2 AND (?3 = 0 OR tid = ?3)");
	int step = SQLITE_DONE, rc = 0;

	if (!stmt)
		return -EIO;
	sqlite3_bind_int64(stmt, 1, scope->from_ns);
	sqlite3_bind_int64(stmt, 2, scope->to_ns);
	sqlite3_bind_int64(stmt, 3, scope->tid);
	while (!rc && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		rc = add_span(l, stmt);
	if (!rc && step != SQLITE_DONE)
		rc = fail(l);
	sqlite3_finalize(stmt);
	return rc;
}

int mp_impact_load(
    struct mp_impact *m, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct loader l = {.m = m, .s = s, .err = err};

	fixed_kinds(m);
	int rc = load_stacks(&l);
	if (!rc)
		rc = load_calls(&l);
	if (!rc)
		rc = mp_impact_order_calls(m, err);
	if (!rc)
		rc = load_spans(&l, scope);
	if (!rc)
		mp_impact_order_spans(m);
	free(l.stack);
	return rc;
}

void mp_impact_free(struct mp_impact *m)
{
	for (uint32_t i = 0; i < m->names; i++)
		free(m->name[i].text);
	free(m->span);
	free(m->call);
	free(m->thread);
	free(m->cause);
	free(m->usual_ns);
}
