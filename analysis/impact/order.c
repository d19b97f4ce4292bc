/* SPDX-License-Identifier: MIT */
#include "analysis/impact/private.h"

#include <errno.h>
#include <stdlib.h>

#include "analysis/stats/rank.h"

/* Looks at calls in spans: beyond them, spans that all hold the same calls would take minutes. */
#define LOOKS_MAX (1u << 27)

static int no_memory(struct mp_err *err)
{
	return mp_err_set(err, ENOMEM, "out of memory");
}

static bool is_full(const struct mp_impact_call *c, uint32_t op)
{
	return c->group % MP_IMPACT_OPS == op && !c->sample && !c->outlier;
}

/* Where every call is kept, an outlier is one at or above its operation's p99.9. */
static int find_outliers(struct mp_impact *m, struct mp_err *err)
{
	uint32_t first = 0;

	while (first < m->calls && (m->call[first].sample || m->call[first].outlier))
		first++;
	if (first == m->calls)
		return 0;
	int64_t *ns = malloc((m->calls - first) * sizeof(*ns));
	if (!ns)
		return no_memory(err);
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
static int find_usual(struct mp_impact *m, struct mp_err *err)
{
	uint32_t groups = 1;
	int rc = 0;

	for (uint32_t i = 0; i < m->calls; i++)
		if (m->call[i].group >= groups)
			groups = m->call[i].group + 1;
	uint32_t *end = calloc(groups + 1, sizeof(*end));
	struct mp_weighted *v = malloc((m->calls + 1) * sizeof(*v));
	m->usual_ns = calloc(groups, sizeof(*m->usual_ns));
	if (!end || !v || !m->usual_ns) {
		rc = no_memory(err);
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

/* Sorts the calls of one thread, which they most often are. */
static void order_by_time(struct mp_impact_call *call, uint32_t n)
{
	uint32_t i = 1;

	while (i < n && call[i - 1].mid_ns <= call[i].mid_ns)
		i++;
	if (i < n)
		qsort(call, n, sizeof(*call), by_time);
}

static int note_threads(struct mp_impact *m, struct mp_err *err)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->calls; i++)
		n += !i || m->call[i].tid != m->call[i - 1].tid;
	if (!(m->thread = calloc(n + 1, sizeof(*m->thread))))
		return no_memory(err);
	for (uint32_t i = 0; i < m->calls; i++) {
		if (!i || m->call[i].tid != m->call[i - 1].tid)
			m->thread[m->threads++] = (struct mp_impact_thread){m->call[i].tid, i, i, i};
		m->thread[m->threads - 1].end++;
	}
	for (uint32_t i = 0; i < m->threads; i++)
		order_by_time(m->call + m->thread[i].first, m->thread[i].end - m->thread[i].first);
	return 0;
}

static int order_calls(struct mp_impact *m, struct mp_err *err)
{
	struct mp_impact_call *ordered = malloc((m->calls + 1) * sizeof(*ordered));
	uint32_t *a = malloc((m->calls + 1) * sizeof(*a)), *b = malloc((m->calls + 1) * sizeof(*b));
	int rc = 0;

	if (!a || !b || !ordered) {
		rc = no_memory(err);
		goto out;
	}
	const uint32_t *order = order_by_thread(m, a, b);
	for (uint32_t i = 0; i < m->calls; i++)
		ordered[i] = m->call[order[i]];
	free(m->call);
	m->call = ordered;
	ordered = NULL;
	rc = note_threads(m, err);
out:
	free(a);
	free(b);
	free(ordered);
	return rc;
}

int mp_impact_order_calls(struct mp_impact *m, struct mp_err *err)
{
	int rc = find_outliers(m, err);

	if (!rc)
		rc = find_usual(m, err);
	return rc ? rc : order_calls(m, err);
}

/* ---- Calls of spans ---- */

/* The first call of a thread that is not before `t_ns`. The search begins where the last one ended: spans
 * come in about the order of time. */
static uint32_t call_at(
    const struct mp_impact *m, const struct mp_impact_thread *t, uint32_t from, int64_t t_ns)
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

static struct mp_impact_thread *thread_of(const struct mp_impact *m, uint32_t tid)
{
	size_t lo = 0, hi = m->threads;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (m->thread[middle].tid < tid)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < m->threads && m->thread[lo].tid == tid ? &m->thread[lo] : NULL;
}

void mp_impact_find_calls(struct mp_impact *m, struct mp_impact_span *span, uint32_t tid, int64_t t_ns)
{
	struct mp_impact_thread *t = thread_of(m, tid);
	int64_t end_ns;

	if (!t)
		return;
	if (__builtin_add_overflow(t_ns, span->dur_ns + 1, &end_ns))
		end_ns = INT64_MAX;
	span->first = t->at = call_at(m, t, t->at, t_ns);
	span->calls = call_at(m, t, span->first, end_ns) - span->first;
	m->looks += span->calls;
	if (m->looks > LOOKS_MAX && span->calls) {
		span->calls = 0;
		m->unlooked++;
	}
}

/* In place: every swap puts a span where it belongs. */
void mp_impact_order_spans(struct mp_impact *m)
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
