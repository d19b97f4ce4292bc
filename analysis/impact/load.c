/* SPDX-License-Identifier: MIT */
#include "analysis/impact/private.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/each_row.h"
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
	int64_t *call_id; /* of each call */
	uint32_t at;      /* the call that causes are of */
};

static int no_memory(struct loader *l)
{
	return mp_err_set(l->err, ENOMEM, "out of memory");
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
static int64_t time_of(sqlite3_value *v)
{
	int64_t ns = sqlite3_value_int64(v);

	return !ns && sqlite3_value_type(v) == SQLITE_NULL ? -1 : clamp(ns, 0, MP_IMPACT_NS);
}

/* ---- Sites ---- */

static int add_stack(void *ctx, sqlite3_value **row)
{
	struct loader *l = ctx;
	if (!room(&l->stack, l->stacks, sizeof(*l->stack)))
		return no_memory(l);
	l->stack[l->stacks++] = (struct stack){sqlite3_value_int64(row[0]),
	    (uint32_t)clamp(sqlite3_value_int64(row[1]), 0, MP_IMPACT_SITE_OTHER)};
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	return (x->stack_id > y->stack_id) - (x->stack_id < y->stack_id);
}

static uint32_t site_of(const struct loader *l, int64_t id)
{
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

/* ---- Calls and their causes, both in the order of call_id ---- */

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

static int add_call(void *ctx, sqlite3_value **row)
{
	struct loader *l = ctx;
	struct mp_impact *m = l->m;
	int64_t t_ns = sqlite3_value_int64(row[1]),
		dur_ns = clamp(sqlite3_value_int64(row[4]), 0, MP_IMPACT_NS);
	uint32_t op = (uint32_t)clamp(sqlite3_value_int64(row[3]), 0, MP_IMPACT_OPS - 1);
	int64_t kept = sqlite3_value_int64(row[5]);

	if (m->calls == MP_IMPACT_ROWS)
		return mp_err_set(l->err, E2BIG,
		    "%s has more than %u kept calls: too many for this report: record less, or without "
		    "--full",
		    mp_session_path(l->s), MP_IMPACT_ROWS);
	if (!room(&m->call, m->calls, sizeof(*m->call)) || !room(&l->call_id, m->calls, sizeof(*l->call_id)))
		return no_memory(l);
	l->call_id[m->calls] = sqlite3_value_int64(row[0]);
	struct mp_impact_call *c = &m->call[m->calls++];
	*c = (struct mp_impact_call){.dur_ns = dur_ns,
	    .tid = (uint32_t)sqlite3_value_int64(row[2]),
	    .group = site_of(l, sqlite3_value_int64(row[7])) * MP_IMPACT_OPS + op,
	    .weight = (uint32_t)clamp(sqlite3_value_int64(row[6]), 0, (1 << 30) - 1),
	    .sample = kept == MP_KEPT_SAMPLE,
	    .outlier = kept == MP_KEPT_OUTLIER};
	if (__builtin_add_overflow(t_ns, dur_ns / 2, &c->mid_ns))
		c->mid_ns = INT64_MAX;
	return 0;
}

static int add_cause(struct loader *l, unsigned int kind, int64_t ns)
{
	struct mp_impact *m = l->m;
	struct mp_impact_call *call = &m->call[l->at];

	if (m->causes == MP_IMPACT_CAUSES)
		return mp_err_set(l->err, E2BIG, "%s has more than %u causes of kept calls: too many",
		    mp_session_path(l->s), MP_IMPACT_CAUSES);
	if (call->causes == CAUSES_MAX)
		return 0;
	if (!room(&m->cause, m->causes, sizeof(*m->cause)))
		return no_memory(l);
	if (!call->causes++)
		call->cause = m->causes;
	m->cause[m->causes].kind = kind;
	m->cause[m->causes++].ns = (uint64_t)ns;
	return 0;
}

/* A call of which nothing is known is unexplained. */
static int end_causes(struct loader *l)
{
	const struct mp_impact_call *call = &l->m->call[l->at];
	int rc = call->causes ? 0 : add_cause(l, MP_IMPACT_UNEXPLAINED, call->dur_ns);

	l->at++;
	return rc;
}

static int add_cause_row(void *ctx, sqlite3_value **row)
{
	struct loader *l = ctx;
	int64_t id = sqlite3_value_int64(row[0]), ns = time_of(row[2]);
	int rc = 0;

	while (!rc && l->at < l->m->calls && l->call_id[l->at] < id)
		rc = end_causes(l);
	if (rc || l->at == l->m->calls || l->call_id[l->at] != id || ns < 0)
		return rc;
	/* As a blob: SQLite would copy a text, to end it with a zero. */
	const char *kind = sqlite3_value_blob(row[1]);
	size_t n = kind ? (size_t)sqlite3_value_bytes(row[1]) : 0;

	return add_cause(l, kind_of(l->m, kind ? kind : "", n), ns);
}

static int load_calls(struct loader *l, const struct mp_report_scope *scope)
{
	int rc = mp_each_row(l->s,
	    "SELECT 1 FROM call"
	    " WHERE mp_take(?4, call_id, t_ns, tid, op_id, dur_ns, kept, weight, stack_id) ORDER BY call_id",
	    scope, add_call, l, l->err);
	if (!rc)
		rc = mp_each_row(l->s,
		    "SELECT 1 FROM cause WHERE mp_take(?4, call_id, kind, dur_ns) ORDER BY call_id", scope,
		    add_cause_row, l, l->err);
	while (!rc && l->at < l->m->calls)
		rc = end_causes(l);
	free(l->call_id);
	l->call_id = NULL;
	return rc;
}

/* ---- Spans ---- */

static int name_of(struct loader *l, sqlite3_value *v, uint16_t *out)
{
	struct mp_impact *m = l->m;
	const char *text = sqlite3_value_blob(v);
	size_t n = text ? (size_t)sqlite3_value_bytes(v) : 0;

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

static int add_span(void *ctx, sqlite3_value **row)
{
	struct loader *l = ctx;
	struct mp_impact *m = l->m;

	if (sqlite3_value_int64(row[3]) < 0)
		return 0; /* no recorder writes that */
	if (m->spans == MP_IMPACT_ROWS)
		return mp_err_set(l->err, E2BIG,
		    "%s has more than %u spans: choose a part, with --from and --to", mp_session_path(l->s),
		    MP_IMPACT_ROWS);
	if (!room(&m->span, m->spans, sizeof(*m->span)))
		return no_memory(l);
	struct mp_impact_span *span = &m->span[m->spans];
	*span = (struct mp_impact_span){.dur_ns = time_of(row[3]),
	    .part_ns = {time_of(row[4]), time_of(row[6]), time_of(row[7]), time_of(row[8])},
	    .alloc_calls = (uint32_t)clamp(sqlite3_value_int64(row[5]), 0, UINT32_MAX)};
	int rc = name_of(l, row[0], &span->name);
	if (rc)
		return rc;
	if (!span->alloc_calls && sqlite3_value_type(row[5]) == SQLITE_NULL)
		span->part_ns[MP_IMPACT_ALLOC] = -1; /* a time of so many calls as nobody knows */
	for (int i = 0; i < MP_IMPACT_PARTS; i++)
		if (span->part_ns[i] > span->dur_ns)
			span->part_ns[i] = span->dur_ns;
	mp_impact_find_calls(m, span, (uint32_t)sqlite3_value_int64(row[1]), sqlite3_value_int64(row[2]));
	m->name[span->name].spans++;
	m->name[span->name].time_ns += (double)span->dur_ns;
	m->spans++;
	return 0;
}

int mp_impact_load(
    struct mp_impact *m, struct mp_session *s, const struct mp_report_scope *scope, struct mp_err *err)
{
	struct loader l = {.m = m, .s = s, .err = err};

	fixed_kinds(m);
	int rc = mp_each_row(s, "SELECT 1 FROM temp.impact_site WHERE mp_take(?4, stack_id, site_no)", scope,
	    add_stack, &l, err);
	if (l.stacks)
		qsort(l.stack, l.stacks, sizeof(*l.stack), by_id);
	if (!rc)
		rc = load_calls(&l, scope);
	if (!rc)
		rc = mp_impact_order_calls(m, err);
	if (!rc)
		/* In a CASE, so that nothing is taken before it is known to be in the scope. */
		rc = mp_each_row(s,
		    "SELECT 1 FROM span WHERE CASE WHEN t_ns >= ?1 AND t_ns < ?2 AND (?3 = 0 OR tid = ?3) "
		    "THEN"
		    " mp_take(?4, name, tid, t_ns, dur_ns, alloc_ns, alloc_calls, fault_ns, off_cpu_ns, "
		    "gc_ns) "
		    "END",
		    scope, add_span, &l, err);
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
