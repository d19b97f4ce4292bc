/* SPDX-License-Identifier: MIT */
#include "analysis/impact_priv.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/rank.h"
#include "analysis/report.h"
#include "store/embed.h"
#include "store/op.h"

/* Looks at calls in spans: beyond them, spans that all hold the same calls would take minutes. */
#define LOOKS_MAX (1u << 27)

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
	struct thread {
		uint32_t tid, first, end; /* its calls */
		uint32_t at;              /* where a span began last */
	} * thread;                       /* by tid */
	size_t threads;
	uint64_t looks; /* calls of spans, all together */
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
		return mp_err_set(l->err, E2BIG, "%s has more than %u kept calls: too many for this report",
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

/* ---- What is made of them ---- */

static bool is_full(const struct mp_impact_call *c, uint32_t op)
{
	return c->group % MP_IMPACT_OPS == op && !c->sample && !c->outlier;
}

/* Where every call is kept, an outlier is one at or above its operation's p99.9. */
static int find_outliers(struct loader *l)
{
	struct mp_impact *m = l->m;
	uint32_t first = 0;

	while (first < m->calls && (m->call[first].sample || m->call[first].outlier))
		first++;
	if (first == m->calls)
		return 0;
	int64_t *ns = malloc((m->calls - first) * sizeof(*ns));
	if (!ns)
		return no_memory(l);
	for (uint32_t op = 0; op < MP_IMPACT_OPS; op++) {
		size_t n = 0;

		for (uint32_t i = first; i < m->calls; i++)
			if (is_full(&m->call[i], op))
				ns[n++] = m->call[i].dur_ns;
		int64_t limit = n ? mp_rank_select(ns, 0, n, (n * 999 + 999) / 1000 - 1) : 0;

		for (uint32_t i = first; n && i < m->calls; i++)
			if (is_full(&m->call[i], op) && m->call[i].dur_ns >= limit)
				m->call[i].outlier = 1;
	}
	free(ns);
	return 0;
}

/* The median of each group: its calls are put together first. */
static int find_usual(struct loader *l)
{
	struct mp_impact *m = l->m;
	uint32_t groups = 1;
	int rc = 0;

	for (uint32_t i = 0; i < m->calls; i++)
		if (m->call[i].group >= groups)
			groups = m->call[i].group + 1;
	uint32_t *end = calloc(groups + 1, sizeof(*end));
	struct mp_weighted *v = malloc((m->calls + 1) * sizeof(*v));
	m->usual_ns = calloc(groups, sizeof(*m->usual_ns));
	if (!end || !v || !m->usual_ns) {
		rc = no_memory(l);
		goto out;
	}
	for (uint32_t i = 0; i < m->calls; i++)
		end[m->call[i].group + 1]++;
	for (uint32_t g = 0; g < groups; g++)
		end[g + 1] += end[g];
	/* Filled from the start of each: end[g], the end of the group before, becomes its own. */
	for (uint32_t i = 0; i < m->calls; i++)
		v[end[m->call[i].group]++] = (struct mp_weighted){m->call[i].dur_ns, m->call[i].weight};
	for (uint32_t g = 0; g < groups; g++) {
		uint32_t first = g ? end[g - 1] : 0;

		m->usual_ns[g] = mp_weighted_median(v + first, end[g] - first);
	}
out:
	free(end);
	free(v);
	return rc;
}

/* Numbers of calls, by thread, and as they were within one: a radix sort from the low digit of `tid`. The
 * result is one of `a` and `b`. */
static uint32_t *order_by_thread(const struct mp_impact *m, uint32_t *a, uint32_t *b)
{
	enum { BITS = 8, DIGITS = 1 << BITS };

	for (uint32_t i = 0; i < m->calls; i++)
		a[i] = i;
	for (unsigned int shift = 0; m->calls && shift < 32; shift += BITS) {
		uint32_t at[DIGITS + 1] = {0}, first = m->call[0].tid >> shift;

		for (uint32_t i = 0; i < m->calls; i++)
			at[(m->call[i].tid >> shift) % DIGITS + 1]++;
		if (at[first % DIGITS + 1] == m->calls)
			continue; /* all have the same digit */
		for (int d = 0; d < DIGITS; d++)
			at[d + 1] += at[d];
		for (uint32_t i = 0; i < m->calls; i++)
			b[at[(m->call[a[i]].tid >> shift) % DIGITS]++] = a[i];
		uint32_t *t = a;
		a = b;
		b = t;
	}
	return a;
}

static int by_time(const void *a, const void *b)
{
	const struct mp_impact_call *x = a, *y = b;

	return (x->mid_ns > y->mid_ns) - (x->mid_ns < y->mid_ns);
}

/* Sorts the calls of one thread, which they most often are, and notes where they stand. */
static int add_thread(struct loader *l, uint32_t first, uint32_t end)
{
	struct mp_impact_call *call = l->m->call;
	uint32_t i = first + 1;

	while (i < end && call[i - 1].mid_ns <= call[i].mid_ns)
		i++;
	if (i < end)
		qsort(call + first, end - first, sizeof(*call), by_time);
	if (!room(&l->thread, l->threads, sizeof(*l->thread)))
		return no_memory(l);
	l->thread[l->threads++] = (struct thread){call[first].tid, first, end, first};
	return 0;
}

static int put_in_order(struct loader *l)
{
	struct mp_impact *m = l->m;
	struct mp_impact_call *sorted = malloc((m->calls + 1) * sizeof(*sorted));
	uint32_t *a = malloc((m->calls + 1) * sizeof(*a)), *b = malloc((m->calls + 1) * sizeof(*b));
	int rc = 0;

	if (!a || !b || !sorted) {
		rc = no_memory(l);
		goto out;
	}
	const uint32_t *order = order_by_thread(m, a, b);
	for (uint32_t i = 0; i < m->calls; i++)
		sorted[i] = m->call[order[i]];
	free(m->call);
	m->call = sorted;
	sorted = NULL;
	for (uint32_t i = 0, first = 0; !rc && i < m->calls; i++)
		if (i + 1 == m->calls || m->call[i + 1].tid != m->call[i].tid) {
			rc = add_thread(l, first, i + 1);
			first = i + 1;
		}
out:
	free(a);
	free(b);
	free(sorted);
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

/* The first call of a thread that is not before `t_ns`. The search begins where the last one ended: spans
 * come in about the order of time. */
static uint32_t call_at(const struct mp_impact *m, const struct thread *t, uint32_t from, int64_t t_ns)
{
	uint32_t lo = from, hi = from, step = 1;

	while (lo > t->first && m->call[lo - 1].mid_ns >= t_ns) {
		hi = lo - 1;
		lo = lo - t->first > step ? lo - step : t->first;
		step *= 2;
	}
	while (hi < t->end && m->call[hi].mid_ns < t_ns) {
		lo = hi + 1;
		hi = t->end - hi > step ? hi + step : t->end;
		step *= 2;
	}
	/* All before lo are before t_ns, and none from hi on is. */
	while (lo < hi) {
		uint32_t middle = lo + (hi - lo) / 2;

		if (m->call[middle].mid_ns < t_ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

static struct thread *thread_of(const struct loader *l, uint32_t tid)
{
	size_t lo = 0, hi = l->threads;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (l->thread[middle].tid < tid)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < l->threads && l->thread[lo].tid == tid ? &l->thread[lo] : NULL;
}

/* The kept calls of a span. */
static void find_calls(struct loader *l, struct mp_impact_span *span, uint32_t tid, int64_t t_ns)
{
	struct thread *t = thread_of(l, tid);
	int64_t end_ns;

	if (!t)
		return;
	if (__builtin_add_overflow(t_ns, span->dur_ns + 1, &end_ns))
		end_ns = INT64_MAX;
	span->first = t->at = call_at(l->m, t, t->at, t_ns);
	span->calls = call_at(l->m, t, span->first, end_ns) - span->first;
	l->looks += span->calls;
	if (l->looks > LOOKS_MAX && span->calls) {
		span->calls = 0;
		l->m->unlooked++;
	}
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
	find_calls(l, span, (uint32_t)sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2));
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

/* In place: every swap puts a span where it belongs. Each look at a name then reads memory in one go. */
static void put_names_together(struct mp_impact *m)
{
	uint32_t at[MP_IMPACT_NAMES], end = 0;

	for (uint32_t i = 0; i < m->names; i++) {
		m->name[i].first = at[i] = end;
		end += m->name[i].spans;
	}
	for (uint32_t i = 0; i < m->names; i++)
		for (end = m->name[i].first + m->name[i].spans; at[i] < end;) {
			struct mp_impact_span *here = &m->span[at[i]], moved = *here;
			struct mp_impact_span *there = &m->span[at[moved.name]++];

			*here = *there;
			*there = moved;
		}
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
		rc = find_outliers(&l);
	if (!rc)
		rc = find_usual(&l);
	if (!rc)
		rc = put_in_order(&l);
	if (!rc)
		rc = load_spans(&l, scope);
	if (!rc)
		put_names_together(m);
	free(l.stack);
	free(l.thread);
	return rc;
}

void mp_impact_free(struct mp_impact *m)
{
	for (uint32_t i = 0; i < m->names; i++)
		free(m->name[i].text);
	free(m->span);
	free(m->call);
	free(m->cause);
	free(m->usual_ns);
}
