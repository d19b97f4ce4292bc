/* SPDX-License-Identifier: MIT */
#include "analysis/patterns/gc.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "analysis/stats/effect.h"
#include "store/op.h"

#define WINDOWS_MOST (1 << 18)
#define SPANS_MOST   (1 << 18) /* of more, an even part is looked at */
#define OUTSIDE_MOST (1 << 16)
#define NAMES_MOST   64

struct window {
	int64_t from_ns, to_ns;
};

struct span {
	int64_t dur_ns;
	uint16_t name;
	bool is_in;
};

struct work {
	const struct mp_kept_calls *calls;
	struct window *window; /* in order, none touching the next */
	size_t windows;
	struct mp_value *value;
	struct span *span;
	size_t spans;
	struct mp_texts *names;
};

static const char *const op_names[] = {
#define NAME(NAME, name, size, ptr) name,
    MP_OPS(NAME)
#undef NAME
};

static int failed(const struct work *w, struct mp_err *err)
{
	return mp_err_set(err, EIO, "cannot read %s: %s", mp_session_path(w->calls->session),
	    sqlite3_errmsg(mp_session_db(w->calls->session)));
}

static int64_t end_of(int64_t t_ns, int64_t dur_ns)
{
	int64_t end;

	return __builtin_add_overflow(t_ns, dur_ns > 0 ? dur_ns : 0, &end) ? INT64_MAX : end;
}

static int load_windows(struct work *w, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(mp_session_db(w->calls->session),
	    "SELECT t_ns, dur_ns FROM gc WHERE t_ns < ?1 ORDER BY t_ns LIMIT ?2", -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, w->calls->to_ns);
		sqlite3_bind_int64(stmt, 2, WINDOWS_MOST);
	}
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t from = sqlite3_column_int64(stmt, 0);
		int64_t to = end_of(end_of(from, sqlite3_column_int64(stmt, 1)), MP_GC_AFTER_NS);
		struct window *last = w->windows ? &w->window[w->windows - 1] : NULL;

		rc = SQLITE_OK;
		if (to < w->calls->from_ns)
			continue;
		if (last && from <= last->to_ns)
			last->to_ns = to > last->to_ns ? to : last->to_ns;
		else
			w->window[w->windows++] = (struct window){from, to};
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : failed(w, err);
}

/* Whether from_ns to to_ns touches a window: the pause may have begun within a call. */
static bool is_in(const struct work *w, int64_t from_ns, int64_t to_ns)
{
	size_t lo = 0, hi = w->windows;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (w->window[middle].to_ns <= from_ns)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < w->windows && w->window[lo].from_ns <= to_ns;
}

static int load_spans(struct work *w, struct mp_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(mp_session_db(w->calls->session),
	    "WITH part AS MATERIALIZED (SELECT max(span_id) / ?3 + 1 AS step FROM span)"
	    " SELECT name, t_ns, dur_ns FROM span, part"
	    " WHERE span_id % step = 0 AND t_ns >= ?1 AND t_ns < ?2 LIMIT ?3",
	    -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, w->calls->from_ns);
		sqlite3_bind_int64(stmt, 2, w->calls->to_ns);
		sqlite3_bind_int64(stmt, 3, SPANS_MOST);
	}
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		int64_t t = sqlite3_column_int64(stmt, 1), dur = sqlite3_column_int64(stmt, 2);

		rc = SQLITE_OK;
		if (dur >= 0)
			w->span[w->spans++] = (struct span){dur,
			    (uint16_t)mp_texts_id(w->names, name ? name : ""), is_in(w, t, end_of(t, dur))};
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : failed(w, err);
}

/* Compares what is in w->value, of `part` times as many rows outside; false: too few to say anything. */
static bool compare(struct work *w, size_t n, uint32_t part, struct mp_gc_effect *out)
{
	struct mp_effect e;

	mp_effect_sort(w->value, n);
	mp_effect_compare(w->value, n, &e);
	if (e.n_in < MP_GC_LEAST || e.n_out < MP_GC_LEAST)
		return false;
	out->rows_in = e.n_in;
	out->rows_out = e.n_out * part;
	out->delta = e.delta;
	out->log_p = e.log_p;
	out->in_p50_ns = mp_effect_quantile(w->value, n, true, 0.5);
	out->in_p99_ns = mp_effect_quantile(w->value, n, true, 0.99);
	out->out_p50_ns = mp_effect_quantile(w->value, n, false, 0.5);
	out->out_p99_ns = mp_effect_quantile(w->value, n, false, 0.99);
	return true;
}

/* How sure the answer is depends on the few calls inside: of many outside a part is enough. */
static bool compare_op(struct work *w, unsigned int op, struct mp_gc_effect *out)
{
	uint32_t part = 1;
	size_t n = 0, calls = 0;

	for (size_t i = 0; i < w->calls->n; i++)
		calls += w->calls->call[i].op == op;
	while (calls / part > OUTSIDE_MOST)
		part *= 2;
	for (size_t i = 0; i < w->calls->n; i++) {
		const struct mp_kept_call *c = &w->calls->call[i];

		if (c->op != op)
			continue;
		bool in = is_in(w, c->t_ns, end_of(c->t_ns, c->dur_ns));
		if (in || mp_kept_is_drawn(c->call_id, part * w->calls->thinned))
			w->value[n++] = (struct mp_value){(double)c->dur_ns, c->weight, in};
	}
	snprintf(out->what, sizeof(out->what), "%s", op_names[op]);
	return compare(w, n, part, out);
}

static bool compare_span(struct work *w, uint32_t name, struct mp_gc_effect *out)
{
	size_t n = 0;

	for (size_t i = 0; i < w->spans; i++)
		if (w->span[i].name == name)
			w->value[n++] = (struct mp_value){(double)w->span[i].dur_ns, 1, w->span[i].is_in};
	snprintf(out->what, sizeof(out->what), "span %s", mp_texts_text(w->names, name));
	return compare(w, n, 1, out);
}

static int by_p(const void *a, const void *b)
{
	const struct mp_gc_effect *x = a, *y = b;

	return x->log_p < y->log_p ? -1 : x->log_p > y->log_p;
}

static int compare_all(struct work *w, struct mp_gc_effect *out, int most)
{
	struct mp_gc_effect all[MP_OP_COUNT + NAMES_MOST];
	int n = 0;

	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		n += compare_op(w, op, &all[n]);
	for (uint32_t name = 1; name < mp_texts_count(w->names); name++)
		n += compare_span(w, name, &all[n]);
	for (int i = 0; i < n; i++)
		all[i].log_p = fmin(0, all[i].log_p + log(n));
	qsort(all, (size_t)n, sizeof(*all), by_p);
	for (int i = 0; i < n && i < most; i++)
		out[i] = all[i];
	return n < most ? n : most;
}

int mp_gc_effects(const struct mp_kept_calls *calls, struct mp_gc_effect *out, int most, struct mp_err *err)
{
	struct work w = {.calls = calls, .window = malloc(WINDOWS_MOST * sizeof(*w.window))};
	int rc = w.window ? load_windows(&w, err) : mp_err_set(err, ENOMEM, "out of memory");

	if (rc || !w.windows)
		goto out;
	w.value = malloc((calls->n > SPANS_MOST ? calls->n : SPANS_MOST) * sizeof(*w.value));
	w.span = malloc(SPANS_MOST * sizeof(*w.span));
	w.names = mp_texts_new(NAMES_MOST);
	if (!w.value || !w.span || !w.names) {
		rc = mp_err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	rc = load_spans(&w, err);
	if (!rc)
		rc = compare_all(&w, out, most);
out:
	free(w.window);
	free(w.value);
	free(w.span);
	mp_texts_free(w.names);
	return rc;
}
