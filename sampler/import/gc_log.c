/* SPDX-License-Identifier: MIT */
#include "sampler/import/gc_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/import/gc_line.h"

#define LINE_MAX_BYTES 4096
/* Collections that go on at the same time: one of the young generation within one of the old, and some. */
#define OPEN_MAX 8
/* Pauses that wait for the line of their safepoint. */
#define WAITING_MAX 8
/* Lines tell their time in milliseconds, and are written a little later. */
#define SLACK_NS INT64_C(3000000)
/* A pause's length has three digits of a millisecond. */
#define ROUNDED_NS 1000
/* The clock of a process that goes back by more is another process's. */
#define BACK_NS INT64_C(1000000000)
/* Later times are none. */
#define LAST_NS (INT64_C(1) << 60)

/* What is known of a collection before its last line. */
struct open {
	int64_t gc; /* its number; < 0: free */
	int64_t begin_ns;
	struct mp_gc_log_pool pool[MP_GC_LOG_POOLS];
	unsigned int pools;
	struct mp_gc_log_phase phase[MP_GC_LOG_PHASES];
	bool is_summed[MP_GC_LOG_PHASES];
	unsigned int phases;
	uint64_t used; /* when, to free the oldest */
};

struct waiting {
	struct mp_gc_log_collection c;
	char kind[MP_GC_LINE_TEXT], cause[MP_GC_LINE_TEXT];
};

struct mp_gc_log {
	struct mp_gc_log_sink sink;
	struct mp_gc_log_totals totals;
	char line[LINE_MAX_BYTES];
	size_t n;
	bool is_long;
	struct open open[OPEN_MAX];
	uint64_t turn;
	struct waiting waiting[WAITING_MAX];
	unsigned int waits;
	/* Of the run of the JVM that the lines are of: */
	bool has_uptime, has_real;
	int64_t uptime_ns, real_ns; /* the last that were told */
	int64_t offset_ns;          /* from its uptime, or time of day, to the session's clock */
	bool has_clock;
	int64_t used_after; /* of the heap, by the collection before; < 0: not known */
	int64_t region_bytes, max_bytes;
};

/* ---- Time ---- */

static void forget_run(struct mp_gc_log *g)
{
	for (int i = 0; i < OPEN_MAX; i++)
		g->open[i].gc = -1;
	g->used_after = -1;
	g->region_bytes = g->max_bytes = -1;
}

/* Where the run that has begun stands on the session's clock. */
static void place_run(struct mp_gc_log *g, const struct mp_gc_line *l)
{
	int64_t t = g->totals.last_ns;

	if (g->has_real && l->real_ns > g->real_ns && l->real_ns - g->real_ns < INT64_C(1) << 55)
		t += l->real_ns - g->real_ns;
	g->offset_ns = t - l->uptime_ns;
	forget_run(g);
}

/* The time of a line on the session's clock; < 0: it tells none. */
static int64_t time_of(struct mp_gc_log *g, const struct mp_gc_line *l)
{
	int64_t t = -1;

	if (l->uptime_ns >= 0) {
		if (g->has_uptime && l->uptime_ns < g->uptime_ns - BACK_NS)
			place_run(g, l);
		else if (!g->has_uptime && g->totals.last_ns >= 0)
			g->offset_ns = g->totals.last_ns - l->uptime_ns;
		t = l->uptime_ns + g->offset_ns;
		g->has_uptime = true;
		g->uptime_ns = l->uptime_ns;
	} else if (l->real_ns >= 0 && !g->has_uptime) {
		if (!g->has_real)
			g->offset_ns = -l->real_ns;
		t = l->real_ns + g->offset_ns;
	}
	if (l->real_ns >= 0) {
		g->has_real = true;
		g->real_ns = l->real_ns;
	}
	if (t > LAST_NS)
		return -1;
	/* A clock that was set back, or a line that another thread wrote first. */
	return t < 0 && (l->uptime_ns >= 0 || l->real_ns >= 0) ? 0 : t;
}

static int see_time(struct mp_gc_log *g, const struct mp_gc_line *l, int64_t t, struct mp_err *err)
{
	if (t < 0)
		return 0;
	if (g->totals.first_ns < 0)
		g->totals.first_ns = t;
	if (t > g->totals.last_ns)
		g->totals.last_ns = t;
	if (g->has_clock || l->real_ns < 0)
		return 0;
	g->has_clock = true;
	return g->sink.clock(g->sink.ctx, t, l->real_ns, err);
}

/* ---- Collections that are not over ---- */

static struct open *find_open(struct mp_gc_log *g, int64_t gc)
{
	struct open *oldest = &g->open[0];

	for (int i = 0; i < OPEN_MAX; i++) {
		struct open *o = &g->open[i];

		if (o->gc == gc) {
			o->used = ++g->turn;
			return o;
		}
		if (o->gc < 0 || (oldest->gc >= 0 && o->used < oldest->used))
			oldest = o;
	}
	*oldest = (struct open){.gc = gc, .begin_ns = -1, .used = ++g->turn};
	return oldest;
}

/* -1: not told, as is what no heap can have. */
static int64_t added(int64_t a, int64_t b)
{
	int64_t sum;

	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return __builtin_add_overflow(a, b, &sum) ? -1 : sum;
}

/* A pool that is told in parts, as regions of G1's old generation are, is their sum. */
static void add_pool(struct open *o, const struct mp_gc_log_pool *pool)
{
	for (unsigned int i = 0; i < o->pools; i++) {
		struct mp_gc_log_pool *p = &o->pool[i];

		if (strcmp(p->name, pool->name) != 0)
			continue;
		p->before = added(p->before, pool->before);
		p->after = added(p->after, pool->after);
		p->committed = added(p->committed, pool->committed);
		return;
	}
	if (o->pools < MP_GC_LOG_POOLS)
		o->pool[o->pools++] = *pool;
}

static int64_t regions(int64_t n, int64_t region_bytes)
{
	return n < 0 || n > INT64_C(1) << 30 ? -1 : n * region_bytes;
}

static void take_pools(struct mp_gc_log *g, const struct mp_gc_line *l)
{
	struct open *o = find_open(g, l->gc);

	for (unsigned int i = 0; i < l->pools; i++) {
		struct mp_gc_log_pool pool = {
		    l->pool[i].name, l->pool[i].before, l->pool[i].after, l->pool[i].committed, -1};

		if (l->kind == MP_GC_LINE_REGIONS) {
			if (g->region_bytes <= 0)
				continue; /* the log does not begin where the JVM did */
			pool.before = regions(pool.before, g->region_bytes);
			pool.after = regions(pool.after, g->region_bytes);
			pool.committed = regions(pool.committed, g->region_bytes);
		}
		add_pool(o, &pool);
	}
}

static void add_phase(
    struct mp_gc_log *g, struct open *o, const char *name, int64_t t, int64_t dur_ns, bool is_summed)
{
	if (t < 0 || o->phases == MP_GC_LOG_PHASES) {
		g->totals.unknown++;
		return;
	}
	struct mp_gc_log_phase *p = &o->phase[o->phases];
	o->is_summed[o->phases++] = is_summed;
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->dur_ns = dur_ns;
	p->t_ns = t > dur_ns ? t - dur_ns : 0;
}

/* A phase that takes no time: that something happened. */
static void add_event(struct mp_gc_log *g, struct open *o, const char *name, int64_t t)
{
	add_phase(g, o, name, t, 0, false);
}

/* Of one number there may be a cycle beside the program and its pauses: what is concurrent is the cycle's. */
static bool is_of(const struct mp_gc_log_phase *p, bool is_pause)
{
	return !is_pause || strncmp(p->name, "Concurrent", strlen("Concurrent")) != 0;
}

static void move_phases(struct open *o, struct mp_gc_log_collection *c)
{
	int64_t t = c->row.t_ns;
	unsigned int left = 0;

	for (unsigned int i = 0; i < o->phases; i++) {
		struct mp_gc_log_phase *p = &o->phase[i];

		if (!is_of(p, c->row.is_pause)) {
			o->is_summed[left] = o->is_summed[i];
			o->phase[left++] = *p;
			continue;
		}
		/* Told together at the end, they follow each other from the beginning. */
		if (o->is_summed[i]) {
			p->t_ns = t;
			t += p->dur_ns;
		}
		c->phase[c->phases++] = *p;
	}
	o->phases = left;
}

/* ---- Pauses that wait for their safepoint ---- */

static int give(struct mp_gc_log *g, struct mp_gc_log_collection *c, struct mp_err *err)
{
	if (c->row.is_pause)
		g->totals.pauses++;
	else
		g->totals.beside++;
	return g->sink.collection(g->sink.ctx, c, err);
}

static int give_first(struct mp_gc_log *g, struct mp_err *err)
{
	struct waiting *w = &g->waiting[0];

	w->c.row.kind = w->kind;
	w->c.row.cause = w->cause[0] ? w->cause : NULL;
	int rc = give(g, &w->c, err);
	memmove(w, w + 1, --g->waits * sizeof(*w));
	return rc;
}

static int give_all(struct mp_gc_log *g, struct mp_err *err)
{
	int rc = 0;

	while (!rc && g->waits)
		rc = give_first(g, err);
	return rc;
}

/* What a safepoint has left of its time once it was reached, and all waiting pauses are over. */
static int64_t time_left(const struct mp_gc_log *g, const struct mp_gc_line *l)
{
	int64_t ns = l->dur_ns - l->ttsp_ns;

	for (unsigned int i = 0; i < g->waits; i++)
		ns -= g->waiting[i].c.row.dur_ns;
	return ns;
}

/*
 * All waiting pauses were in this one: the first has the way to it, the last what came behind it. But not
 * those whose own line is missing, which began too early, and for which there is no room: a line by itself
 * may come late, where the thread that writes it has lost the CPU.
 */
static int take_safepoint(struct mp_gc_log *g, const struct mp_gc_line *l, int64_t t, struct mp_err *err)
{
	int rc = 0;

	while (!rc && g->waits && g->waiting[0].c.row.t_ns < t - l->dur_ns - SLACK_NS &&
	       time_left(g, l) < -(int64_t)g->waits * ROUNDED_NS)
		rc = give_first(g, err);
	int64_t behind_ns = time_left(g, l);
	for (unsigned int i = 0; i < g->waits; i++) {
		struct mp_gc_row *row = &g->waiting[i].c.row;

		row->ttsp_ns = i ? 0 : l->ttsp_ns;
		row->stopped_ns = row->dur_ns + row->ttsp_ns;
		if (i + 1 == g->waits && behind_ns > 0)
			row->stopped_ns += behind_ns;
	}
	return rc ? rc : give_all(g, err);
}

/* ---- Collections that are over ---- */

static void take_heap(struct mp_gc_log *g, struct mp_gc_log_collection *c, const struct mp_gc_line *l)
{
	if (!l->pools)
		return;
	const struct mp_gc_line_pool *heap = &l->pool[0];
	struct mp_gc_log_pool *pool = NULL;
	for (unsigned int i = 0; i < c->pools && !pool; i++)
		if (!strcmp(c->pool[i].name, heap->name))
			pool = &c->pool[i]; /* Z has told what is committed */
	if (!pool && c->pools < MP_GC_LOG_POOLS) {
		pool = &c->pool[c->pools++];
		*pool = (struct mp_gc_log_pool){.name = heap->name, .committed = -1};
	}
	if (!pool)
		return;
	pool->before = heap->before;
	pool->after = heap->after;
	if (heap->committed >= 0)
		pool->committed = heap->committed;
	pool->max = g->max_bytes;
	if (g->used_after >= 0)
		c->row.bytes_since_last = heap->before > g->used_after ? heap->before - g->used_after : 0;
	g->used_after = heap->after;
}

static int64_t duration_of(const struct mp_gc_line *l, const struct open *o, int64_t t)
{
	if (l->dur_ns >= 0)
		return l->dur_ns;
	return o->begin_ns >= 0 && t > o->begin_ns ? t - o->begin_ns : 0;
}

static int take_collection(struct mp_gc_log *g, const struct mp_gc_line *l, int64_t t, struct mp_err *err)
{
	struct open *o = find_open(g, l->gc);
	struct mp_gc_log_collection now = {.row = {.ttsp_ns = -1,
					       .stopped_ns = -1,
					       .is_pause = l->kind == MP_GC_LINE_PAUSE,
					       .runtime = "hotspot",
					       .bytes_since_last = -1,
					       .source = "log"}};

	if (t < 0) {
		g->totals.no_time++;
		return 0;
	}
	now.row.dur_ns = duration_of(l, o, t);
	now.row.t_ns = t > now.row.dur_ns ? t - now.row.dur_ns : 0;
	memcpy(now.pool, o->pool, sizeof(now.pool));
	now.pools = o->pools;
	o->pools = 0;
	take_heap(g, &now, l);
	if (l->value[0])
		add_event(g, o, l->value, t);
	move_phases(o, &now);
	if (!now.row.is_pause) {
		now.row.kind = l->name;
		now.row.cause = l->cause[0] ? l->cause : NULL;
		return give(g, &now, err);
	}
	int rc = g->waits == WAITING_MAX ? give_first(g, err) : 0;
	struct waiting *w = &g->waiting[g->waits++];
	w->c = now;
	memcpy(w->kind, l->name, sizeof(w->kind));
	memcpy(w->cause, l->cause, sizeof(w->cause));
	return rc;
}

static int take_setting(struct mp_gc_log *g, const struct mp_gc_line *l, struct mp_err *err)
{
	if (!strcmp(l->name, "region_bytes"))
		g->region_bytes = strtoll(l->value, NULL, 10);
	else if (!strcmp(l->name, "max_heap_bytes"))
		g->max_bytes = strtoll(l->value, NULL, 10);
	if (g->region_bytes > INT64_C(1) << 32)
		g->region_bytes = -1;
	return g->sink.setting(g->sink.ctx, l->name, l->value, err);
}

static int take_stall(struct mp_gc_log *g, const struct mp_gc_line *l, int64_t t, struct mp_err *err)
{
	char detail[MP_GC_LINE_TEXT + 32];

	if (t < 0)
		return 0;
	snprintf(detail, sizeof(detail), "%s: %.3f ms", l->name, (double)l->dur_ns / 1e6);
	return g->sink.mark(g->sink.ctx, t > l->dur_ns ? t - l->dur_ns : 0, "allocation stall", detail, err);
}

static int take_line(struct mp_gc_log *g, const char *text, size_t n, struct mp_err *err)
{
	struct mp_gc_line l;

	mp_gc_line_parse(text, n, &l);
	int64_t t = time_of(g, &l);
	int rc = see_time(g, &l, t, err);
	if (rc)
		return rc;
	switch (l.kind) {
	case MP_GC_LINE_NONE:
		g->totals.unknown += n > 0;
		return 0;
	case MP_GC_LINE_OTHER:
		g->totals.other++;
		return 0;
	case MP_GC_LINE_BEGIN:
		find_open(g, l.gc)->begin_ns = t;
		return 0;
	case MP_GC_LINE_PAUSE:
	case MP_GC_LINE_BESIDE:
	case MP_GC_LINE_CYCLE:
		return take_collection(g, &l, t, err);
	case MP_GC_LINE_PHASE:
		add_phase(g, find_open(g, l.gc), l.name, t, l.dur_ns, l.is_summed);
		return 0;
	case MP_GC_LINE_POOLS:
	case MP_GC_LINE_REGIONS:
	case MP_GC_LINE_CAPACITY:
		take_pools(g, &l);
		return 0;
	case MP_GC_LINE_NO_ROOM:
		add_event(g, find_open(g, l.gc), "to-space exhausted", t);
		return 0;
	case MP_GC_LINE_SAFEPOINT:
		return t < 0 ? 0 : take_safepoint(g, &l, t, err);
	case MP_GC_LINE_SETTING:
		return take_setting(g, &l, err);
	case MP_GC_LINE_STALL:
		return take_stall(g, &l, t, err);
	}
	return 0;
}

static int end_line(struct mp_gc_log *g, struct mp_err *err)
{
	int rc = 0;

	g->totals.lines++;
	if (g->is_long)
		g->totals.unknown++;
	else
		rc = take_line(g, g->line, g->n, err);
	g->n = 0;
	g->is_long = false;
	return rc;
}

/* ---- All ---- */

struct mp_gc_log *mp_gc_log_new(const struct mp_gc_log_sink *sink)
{
	struct mp_gc_log *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->sink = *sink;
	g->totals.first_ns = g->totals.last_ns = -1;
	forget_run(g);
	return g;
}

int mp_gc_log_feed(struct mp_gc_log *g, const char *text, size_t n, struct mp_err *err)
{
	int rc = 0;

	while (!rc && n) {
		const char *end = memchr(text, '\n', n);
		size_t piece = end ? (size_t)(end - text) : n;

		if (piece > sizeof(g->line) - g->n)
			g->is_long = true;
		else if (!g->is_long) {
			memcpy(g->line + g->n, text, piece);
			g->n += piece;
		}
		if (end)
			rc = end_line(g, err);
		piece += end != NULL;
		text += piece;
		n -= piece;
	}
	return rc;
}

int mp_gc_log_end(struct mp_gc_log *g, struct mp_err *err)
{
	int rc = g->n || g->is_long ? end_line(g, err) : 0;

	return rc ? rc : give_all(g, err);
}

const struct mp_gc_log_totals *mp_gc_log_totals(const struct mp_gc_log *g)
{
	return &g->totals;
}

void mp_gc_log_free(struct mp_gc_log *g)
{
	free(g);
}

bool mp_gc_log_is_one(const char *text, size_t n)
{
	struct mp_gc_line l;

	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t line = end ? (size_t)(end - text) : n;

		mp_gc_line_parse(text, line, &l);
		if (l.kind > MP_GC_LINE_OTHER)
			return true;
		line += end != NULL;
		text += line;
		n -= line;
	}
	return false;
}
