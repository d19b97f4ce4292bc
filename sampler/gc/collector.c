/* SPDX-License-Identifier: MIT */
#include "sampler/gc/collector.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/profile.h"
#include "sampler/time_queue.h"

#define TOLD_MAX_NS 1000000000
#define LONGEST_NS  INT64_C(60000000000) /* no pause takes so long */
#define WAITING_MAX 65536                /* events between two settlings */
#define OPEN_MAX    32                   /* threads that collect at a time */
#define DONE_MAX    8                    /* collections while the threads stand still once */

struct waiting {
	struct mp_timed timed;
	struct mp_gc_event event;
};

/* What was said of a collection before it began, or in it. */
struct told {
	char kind[MP_GC_NAME_BYTES], cause[MP_GC_NAME_BYTES];
};

struct collection {
	pid_t tid; /* 0: unused */
	int64_t begin_ns, end_ns;
	char kind[MP_GC_NAME_BYTES]; /* as its beginning says; or empty */
	struct told told;
	bool is_beside; /* the program goes on meanwhile */
	bool has_after;
	uint64_t allocated;
	struct mp_gc_pool pools[MP_GC_POOLS_MAX];
	size_t n_pools;
};

struct thread_told {
	pid_t tid;
	struct told told;
};

struct runtime {
	struct collection open[OPEN_MAX];
	struct thread_told told[OPEN_MAX];
	size_t next_told;
	struct collection cycle; /* tid 0: none */

	/* While all threads stand still, or are about to. */
	bool is_stopping;
	int64_t stop_ns, stopped_ns; /* stopped_ns < 0: not told */
	bool is_collection;          /* that, by itself, */
	struct told stop_told;       /* and what was said of it */
	struct collection done[DONE_MAX];
	size_t n_done;

	bool has_allocated;
	uint64_t last_allocated;                  /* at the last collection's beginning */
	struct mp_gc_pool pools[MP_GC_POOLS_MAX]; /* as last told */
	size_t n_pools;
	int64_t last_heap_after; /* < 0: not known */
};

struct mp_gc {
	struct mp_session *session;
	const struct mp_gc_set *set;
	struct mp_gc_listener listener;
	struct mp_time_queue queue;
	struct runtime runtimes[MP_GC_RUNTIMES_MAX];
	uint64_t events_lost, threads_lost, pools_lost;
	struct mp_err *err; /* of the call in progress */
};

struct mp_gc *mp_gc_new(struct mp_session *session)
{
	struct mp_gc *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->session = session;
	g->queue.item_bytes = sizeof(struct waiting);
	g->queue.max = WAITING_MAX;
	for (size_t i = 0; i < MP_GC_RUNTIMES_MAX; i++)
		g->runtimes[i].last_heap_after = -1;
	return g;
}

void mp_gc_free(struct mp_gc *g)
{
	if (!g)
		return;
	mp_time_queue_free(&g->queue);
	free(g);
}

void mp_gc_follow(struct mp_gc *g, const struct mp_gc_set *set, const struct mp_gc_listener *listener)
{
	g->set = set;
	g->listener = *listener;
}

/* A time that the runtime took itself, a moment before; what cannot be one is none. */
static int64_t time_of(const struct mp_gc_event *e)
{
	uint64_t told = e->values[MP_GC_TIME], seen = (uint64_t)e->t_ns;

	return told < seen && seen - told < TOLD_MAX_NS ? (int64_t)told : e->t_ns;
}

/* Texts are the target's, and are shown on terminals. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void mp_gc_take(struct mp_gc *g, const struct mp_gc_event *e)
{
	struct waiting w = {.event = *e};

	make_printable(w.event.text);
	w.timed.t_ns = w.event.t_ns = time_of(e);
	if (!mp_time_queue_push(&g->queue, &w))
		g->events_lost++;
}

/* ---- What points say ---- */

static int64_t known(uint64_t v)
{
	return v > INT64_MAX ? -1 : (int64_t)v;
}

/* What a point says of a kind or cause, in the profile's words; empty: nothing. A number without a word says
 * nothing where there are words for others. */
static void say(const struct mp_gc_point *p, const struct mp_gc_event *e, enum mp_gc_text which,
    const struct mp_gc_words *words, char out[static MP_GC_NAME_BYTES])
{
	uint64_t number = e->values[which == MP_GC_TEXT_KIND ? MP_GC_KIND : MP_GC_CAUSE];
	char text[MP_GC_NAME_BYTES] = "";
	const char *word;

	if (p->constant[which][0]) {
		memcpy(out, p->constant[which], MP_GC_NAME_BYTES);
		return;
	}
	if (p->text.from != MP_FETCH_NOTHING && p->read == which)
		memcpy(text, e->text, sizeof(text));
	else if (number != UINT64_MAX)
		snprintf(text, sizeof(text), "%" PRIu64, number);
	word = mp_gc_word(words, text);
	if (word && !strcmp(word, "-"))
		word = "";
	snprintf(out, MP_GC_NAME_BYTES, "%s", word ? word : number != UINT64_MAX && words->n ? "" : text);
}

static void take_told(const struct mp_gc_profile *profile, const struct mp_gc_point *p,
    const struct mp_gc_event *e, struct told *t)
{
	char text[MP_GC_NAME_BYTES];

	say(p, e, MP_GC_TEXT_KIND, &profile->kinds, text);
	if (text[0])
		memcpy(t->kind, text, sizeof(text));
	say(p, e, MP_GC_TEXT_CAUSE, &profile->causes, text);
	if (text[0])
		memcpy(t->cause, text, sizeof(text));
}

static struct collection *open_of(struct runtime *r, pid_t tid)
{
	for (size_t i = 0; i < OPEN_MAX; i++)
		if (r->open[i].tid == tid)
			return &r->open[i];
	return NULL;
}

static struct told *told_of(struct runtime *r, pid_t tid)
{
	for (size_t i = 0; i < OPEN_MAX; i++)
		if (r->told[i].tid == tid)
			return &r->told[i].told;
	struct thread_told *t = &r->told[r->next_told++ % OPEN_MAX];
	*t = (struct thread_told){.tid = tid};
	return &t->told;
}

/* ---- Rows ---- */

static struct mp_gc_pool *pool_of(struct mp_gc *g, struct mp_gc_pool *pools, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp(pools[i].name, name))
			return &pools[i];
	if (*n == MP_GC_POOLS_MAX) {
		g->pools_lost++;
		return NULL;
	}
	struct mp_gc_pool *p = &pools[(*n)++];
	*p = (struct mp_gc_pool){.used_before = -1, .used_after = -1, .committed = -1, .max = -1};
	memcpy(p->name, name, sizeof(p->name));
	return p;
}

/* All of the runtime's pools: of those that a collection does not tell of, what was last told. */
static bool add_up(struct mp_gc *g, size_t runtime, const struct collection *c, struct mp_gc_pool *heap)
{
	struct runtime *r = &g->runtimes[runtime];
	const char *not_heap = g->set->runtimes[runtime].profile.not_heap;

	*heap = (struct mp_gc_pool){.name = "heap", .max = -1};
	if (c->n_pools == 1 && !strcmp(c->pools[0].name, "heap")) {
		*heap = c->pools[0];
		return heap->used_before >= 0 && heap->used_after >= 0;
	}
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct mp_gc_pool *now = &c->pools[i];
		struct mp_gc_pool *last = pool_of(g, r->pools, &r->n_pools, now->name);
		if (last)
			*last = *now;
	}
	for (size_t i = 0; i < r->n_pools; i++) {
		struct mp_gc_pool *p = &r->pools[i];
		bool is_of_this = false;
		for (size_t k = 0; k < c->n_pools; k++)
			is_of_this |= !strcmp(c->pools[k].name, p->name);
		if (mp_profile_glob(not_heap, p->name))
			continue;
		if (p->used_before < 0 || p->used_after < 0)
			return false;
		heap->used_before += is_of_this ? p->used_before : p->used_after;
		heap->used_after += p->used_after;
		heap->committed += p->committed > 0 ? p->committed : 0;
	}
	return c->n_pools > 0;
}

static int write_pool(struct mp_gc *g, int64_t gc_id, const struct mp_gc_pool *p)
{
	const struct mp_gc_pool_row row = {.pool = p->name,
	    .used_before_bytes = p->used_before,
	    .used_after_bytes = p->used_after,
	    .committed_bytes = p->committed,
	    .max_bytes = p->max};

	return mp_append_gc_pool(g->session, gc_id, &row, g->err);
}

/* What was given out since the last collection: as counted, or by how much the heap has grown. */
static int64_t bytes_since_last(
    struct runtime *r, bool counts, const struct collection *c, int64_t heap_before)
{
	int64_t bytes = -1;

	if (counts && r->has_allocated)
		bytes = (int64_t)(c->allocated - r->last_allocated);
	else if (!counts && heap_before >= 0 && r->last_heap_after >= 0 && heap_before > r->last_heap_after)
		bytes = heap_before - r->last_heap_after;
	return bytes;
}

/* What goes on beside the program is no more than that: what was given out is told of pauses. */
static int write(
    struct mp_gc *g, size_t runtime, const struct collection *c, int64_t ttsp_ns, int64_t stopped_ns)
{
	struct runtime *r = &g->runtimes[runtime];
	const struct mp_gc_runtime *rt = &g->set->runtimes[runtime];
	struct mp_gc_pool heap;
	bool has_heap = add_up(g, runtime, c, &heap);
	const char *otherwise = c->is_beside ? "cycle" : rt->profile.default_kind;
	struct mp_gc_row row = {.t_ns = c->begin_ns,
	    .dur_ns = c->end_ns > c->begin_ns ? c->end_ns - c->begin_ns : 0,
	    .ttsp_ns = ttsp_ns,
	    .stopped_ns = stopped_ns,
	    .is_pause = !c->is_beside,
	    .runtime = rt->profile.name,
	    .kind = c->kind[0]        ? c->kind
		    : c->told.kind[0] ? c->told.kind
				      : otherwise,
	    .cause = c->told.cause[0] ? c->told.cause : NULL,
	    .tid = c->tid,
	    .bytes_since_last = -1,
	    .source = "probes"};
	int64_t gc_id;

	if (!c->is_beside) {
		row.bytes_since_last =
		    bytes_since_last(r, rt->counts_allocated, c, has_heap ? heap.used_before : -1);
		r->last_allocated = c->allocated;
		r->has_allocated = true;
		r->last_heap_after = has_heap ? heap.used_after : -1;
	}
	int ret = mp_append_gc(g->session, &row, &gc_id, g->err);
	for (size_t i = 0; !ret && i < c->n_pools; i++)
		ret = write_pool(g, gc_id, &c->pools[i]);
	if (!ret && has_heap)
		ret = write_pool(g, gc_id, &heap);
	if (!ret && g->listener.collected) {
		const struct mp_gc_collected told = {.runtime = runtime,
		    .row = &row,
		    .allocated = c->allocated,
		    .pools = c->pools,
		    .n_pools = c->n_pools};
		g->listener.collected(g->listener.ctx, &told);
	}
	return ret;
}

/* ---- One after the other ---- */

static void begin(
    struct mp_gc *g, struct runtime *r, const struct mp_gc_point *p, const struct mp_gc_event *e)
{
	struct collection *c = open_of(r, e->tid);
	struct told *told = told_of(r, e->tid);

	/* One that begins in another is a part of it, unless that one's end was lost; one that goes on beside
	 * the program has ended. */
	if (c && !c->is_beside && e->t_ns - c->begin_ns < LONGEST_NS)
		return;
	c = c ? c : open_of(r, 0);
	if (!c) {
		g->threads_lost++;
		return;
	}
	*c =
	    (struct collection){.tid = e->tid, .begin_ns = e->t_ns, .told = *told, .allocated = e->allocated};
	say(p, e, MP_GC_TEXT_KIND, &g->set->runtimes[p->runtime].profile.kinds, c->kind);
	*told = (struct told){0};
}

/* While the threads stand still, it is not known yet for how long they do. */
static int end(struct mp_gc *g, size_t runtime, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[runtime];
	struct collection *c = open_of(r, e->tid);
	int ret = 0;

	if (!c || c->is_beside)
		return 0; /* it began before the recording */
	c->end_ns = e->t_ns;
	if (r->is_stopping && r->n_done < DONE_MAX)
		r->done[r->n_done++] = *c;
	else
		ret = write(g, runtime, c, -1, -1);
	c->tid = 0;
	return ret;
}

/* What goes on was not told to end: a buffer was full. What had ended in it did. */
static int forget_stop(struct mp_gc *g, size_t runtime)
{
	struct runtime *r = &g->runtimes[runtime];
	int ret = 0;

	for (size_t i = 0; !ret && r->is_stopping && i < r->n_done; i++)
		ret = write(g, runtime, &r->done[i], -1, -1);
	return ret;
}

static int stop(struct mp_gc *g, size_t runtime, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[runtime];
	int ret = forget_stop(g, runtime);

	r->is_stopping = true;
	r->is_collection = false;
	r->stop_told = (struct told){0};
	r->n_done = 0;
	r->stop_ns = e->t_ns;
	r->stopped_ns = -1;
	*told_of(r, e->tid) = (struct told){0};
	return ret;
}

/* Several while the threads stood still once: each is from the end of the one before to its own. */
static int resume(struct mp_gc *g, size_t runtime, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[runtime];
	int64_t from = r->stop_ns, ttsp = r->stopped_ns < 0 ? -1 : r->stopped_ns - r->stop_ns;
	int ret = 0;

	/* What lets the threads go may be called while they are being stopped, too: it is not that yet. */
	bool is_early =
	    r->stopped_ns < 0 && g->set->runtimes[runtime].tells_stopped && !r->is_collection && !r->n_done;

	if (!r->is_stopping || is_early)
		return 0;
	r->is_stopping = false;
	if (r->is_collection && !r->n_done) {
		struct collection *c = &r->done[r->n_done++];
		*c = (struct collection){.tid = e->tid,
		    .begin_ns = r->stop_ns,
		    .end_ns = e->t_ns,
		    .told = r->stop_told,
		    .allocated = e->allocated};
	}
	for (size_t i = 0; !ret && i < r->n_done; i++) {
		int64_t to = i + 1 < r->n_done ? r->done[i].end_ns : e->t_ns;
		ret = write(g, runtime, &r->done[i], i ? -1 : ttsp, to - from);
		from = to;
	}
	r->n_done = 0;
	*told_of(r, e->tid) = (struct told){0};
	return ret;
}

/* Memory that is told of outside of a pause is of a collection beside the program, which lasts from the first
 * pool before it to the last one after it. */
static int end_beside(struct mp_gc *g, size_t runtime, struct collection *c)
{
	int ret = c->has_after ? write(g, runtime, c, -1, -1) : 0;

	c->tid = 0;
	return ret;
}

static int memory(struct mp_gc *g, const struct mp_gc_point *p, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[p->runtime];
	struct collection *c = open_of(r, e->tid);
	bool is_after = p->role == MP_GC_AFTER;
	char name[MP_GC_NAME_BYTES];
	int ret = 0;

	if (c && c->is_beside && c->has_after && !is_after) {
		ret = end_beside(g, p->runtime, c);
		c = NULL;
	}
	if (!c && !is_after && (c = open_of(r, 0)))
		*c = (struct collection){
		    .tid = e->tid, .begin_ns = e->t_ns, .is_beside = true, .allocated = e->allocated};
	if (!c)
		return ret;
	memcpy(name, p->constant[MP_GC_TEXT_POOL][0] ? p->constant[MP_GC_TEXT_POOL] : e->text, sizeof(name));
	struct mp_gc_pool *pool = pool_of(g, c->pools, &c->n_pools, name);
	if (!pool)
		return ret;
	*(is_after ? &pool->used_after : &pool->used_before) = known(e->values[MP_GC_USED]);
	pool->committed = known(e->values[MP_GC_COMMITTED]);
	pool->max = known(e->values[MP_GC_MAX]);
	if (c->is_beside && is_after) {
		c->has_after = true;
		c->end_ns = e->t_ns;
	}
	return ret;
}

static void in_use(struct mp_gc *g, const struct mp_gc_point *p, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[p->runtime];
	struct collection *c = open_of(r, e->tid);
	struct mp_gc_pool *pool =
	    c && !c->is_beside ? pool_of(g, c->pools, &c->n_pools, p->constant[MP_GC_TEXT_POOL]) : NULL;

	if (pool)
		*(pool->used_before < 0 ? &pool->used_before : &pool->used_after) =
		    known(e->values[MP_GC_USED]);
}

static int cycle(struct mp_gc *g, const struct mp_gc_point *p, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[p->runtime];
	struct collection *c = &r->cycle;
	int ret = 0;

	if (p->role == MP_GC_CYCLE_BEGIN) {
		*c = (struct collection){
		    .tid = e->tid, .begin_ns = e->t_ns, .is_beside = true, .allocated = e->allocated};
		take_told(&g->set->runtimes[p->runtime].profile, p, e, &c->told);
	} else if (c->tid) {
		c->end_ns = e->t_ns;
		ret = write(g, p->runtime, c, -1, -1);
		c->tid = 0;
	}
	return ret;
}

static void tell(struct mp_gc *g, const struct mp_gc_point *p, const struct mp_gc_event *e)
{
	struct runtime *r = &g->runtimes[p->runtime];
	struct collection *c = open_of(r, e->tid);

	take_told(
	    &g->set->runtimes[p->runtime].profile, p, e, c && !c->is_beside ? &c->told : told_of(r, e->tid));
}

static int apply(void *ctx, const void *item)
{
	struct mp_gc *g = ctx;
	const struct mp_gc_event *e = &((const struct waiting *)item)->event;
	const struct mp_gc_point *p = g->set && e->point < g->set->n ? &g->set->points[e->point] : NULL;
	struct runtime *r = p ? &g->runtimes[p->runtime] : NULL;

	if (!p)
		return 0;
	switch (p->role) {
	case MP_GC_STOP:
		return stop(g, p->runtime, e);
	case MP_GC_STOPPED:
		r->stopped_ns = e->t_ns;
		return 0;
	case MP_GC_RESUME:
		return resume(g, p->runtime, e);
	case MP_GC_BEGIN:
		begin(g, r, p, e);
		return 0;
	case MP_GC_END:
		return end(g, p->runtime, e);
	case MP_GC_IS:
		r->is_collection = true;
		take_told(&g->set->runtimes[p->runtime].profile, p, e, &r->stop_told);
		return 0;
	case MP_GC_TELL:
		tell(g, p, e);
		return 0;
	case MP_GC_BEFORE:
	case MP_GC_AFTER:
		return memory(g, p, e);
	case MP_GC_MEMORY:
		in_use(g, p, e);
		return 0;
	case MP_GC_CYCLE_BEGIN:
	case MP_GC_CYCLE_END:
		return cycle(g, p, e);
	case MP_GC_ALLOCATED:
	case MP_GC_ROLES:
		break;
	}
	return 0;
}

int mp_gc_settle(struct mp_gc *g, int64_t t_ns, struct mp_err *err)
{
	g->err = err;
	return mp_time_queue_apply(&g->queue, t_ns, apply, g);
}

int mp_gc_end(struct mp_gc *g, struct mp_err *err)
{
	int ret = mp_gc_settle(g, INT64_MAX, err);

	for (size_t i = 0; !ret && i < MP_GC_RUNTIMES_MAX; i++)
		ret = forget_stop(g, i); /* the threads are let go after the recording */
	for (size_t i = 0; i < MP_GC_RUNTIMES_MAX; i++)
		for (size_t k = 0; !ret && k < OPEN_MAX; k++)
			if (g->runtimes[i].open[k].tid && g->runtimes[i].open[k].is_beside)
				ret = end_beside(g, i, &g->runtimes[i].open[k]);
	return ret;
}

const char *mp_gc_lost_by(struct mp_gc *g, size_t which, uint64_t *lost)
{
	struct {
		const char *limit;
		uint64_t *lost;
	} limits[] = {{"events of collections, of too many", &g->events_lost},
	    {"threads that collect, of too many", &g->threads_lost},
	    {"pools of a runtime, of too many", &g->pools_lost}};

	if (which >= sizeof(limits) / sizeof(*limits))
		return NULL;
	*lost = *limits[which].lost;
	*limits[which].lost = 0;
	return limits[which].limit;
}
