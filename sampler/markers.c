/* SPDX-License-Identifier: MIT */
#include "sampler/markers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sampler/index.h"
#include "sampler/preload/mpsample.h"
#include "sampler/time_queue.h"
#include "store/append.h"

#define NAME_BYTES 48 /* with the NUL: the promise of mpsample.h */

#define MAX_WAITING    (1u << 21) /* 170 MB: a million markers a second, for two slots */
#define MAX_ROWS       250000     /* in a slot: SQLite writes about twice as many in a second */
#define MAX_NAMES      (1u << 16)
#define MAX_OPEN_SPANS (1u << 18)

enum limit { LIMIT_WAITING, LIMIT_ROWS, LIMIT_NAMES, LIMIT_OPEN_SPANS, LIMITS };

static const char *const limit_names[LIMITS] = {
    [LIMIT_WAITING] = "markers waiting, of too many",
    [LIMIT_ROWS] = "marker rows, of too many",
    [LIMIT_NAMES] = "marker names, of too many",
    [LIMIT_OPEN_SPANS] = "open spans, of too many",
};

struct waiting {
	struct mp_timed at;
	uint64_t a;
	pid_t tid;
	uint32_t name; /* number of it */
	uint32_t kind;
	struct mp_thread_sums sums;
};

struct open_span {
	uint64_t id;
	int64_t t_ns;
	pid_t tid;
	uint32_t name; /* 0: empty slot */
	struct mp_thread_sums sums;
};

struct mp_markers {
	struct mp_session *session;
	struct mp_context *context; /* NULL: not all kernel events are known */
	uint64_t seed;              /* of the hashes: the target could choose what falls together */

	struct mp_time_queue queue;

	char (*names)[NAME_BYTES]; /* [number - 1] */
	size_t names_room;
	struct mp_index name_index;

	struct open_span *spans; /* hashed by name and id, linear probing */
	size_t n_spans, spans_room;

	int64_t phase_id;                              /* of the current one; 0: none */
	int64_t slot_ns;                               /* start of the slot that is applied next */
	int64_t end_ns;                                /* and its end: the last commit */
	uint64_t rows;                                 /* made in this slot */
	uint64_t begin_without_end, end_without_begin; /* in this slot */
	uint64_t lost[LIMITS];
};

/* Twice the elements, at least 1024. */
static bool grow(void *array, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 1024;
	void **at = array, *bigger = reallocarray(*at, more, size);

	if (!bigger)
		return false;
	*at = bigger;
	*room = more;
	return true;
}

struct mp_markers *mp_markers_new(struct mp_session *session)
{
	struct mp_markers *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->session = session;
	if (getrandom(&m->seed, sizeof(m->seed), 0) != sizeof(m->seed))
		m->seed = (uintptr_t)m;
	m->queue.item_bytes = sizeof(struct waiting);
	m->queue.max = MAX_WAITING;
	m->spans_room = 1024;
	m->spans = calloc(m->spans_room, sizeof(*m->spans));
	if (!m->spans) {
		free(m);
		return NULL;
	}
	return m;
}

void mp_markers_use(struct mp_markers *m, struct mp_context *context)
{
	m->context = context;
}

void mp_markers_free(struct mp_markers *m)
{
	if (!m)
		return;
	mp_time_queue_free(&m->queue);
	free(m->names);
	mp_index_free(&m->name_index);
	free(m->spans);
	free(m);
}

/* ---- Taking ---- */

/* FNV-1a (Fowler, Noll, Vo), with a basis of our own. */
static uint64_t hash_of(uint64_t seed, const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ seed;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	return mp_index_mix(hash);
}

static bool same_name(const void *owner, uint32_t number, const void *text)
{
	const struct mp_markers *m = owner;
	return !strcmp(m->names[number - 1], text);
}

/* The number of a name, cut to what counts; 0 when there are too many. */
static uint32_t name_number(struct mp_markers *m, const char *text)
{
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "%s", text);
	uint32_t *slot = mp_index_slot(&m->name_index, hash_of(m->seed, name), same_name, m, name);
	if (!slot || *slot)
		return slot ? *slot : 0;
	if (m->name_index.n == MAX_NAMES ||
	    (m->name_index.n == m->names_room && !grow(&m->names, &m->names_room, sizeof(*m->names))))
		return 0;
	*slot = (uint32_t)++m->name_index.n;
	memcpy(m->names[*slot - 1], name, sizeof(name));
	return *slot;
}

void mp_markers_take(struct mp_markers *m, const struct mp_marker_event *e)
{
	struct waiting w = {.at.t_ns = e->t_ns, .a = e->a, .tid = e->tid, .kind = e->kind, .sums = e->sums};

	if (e->kind < MPSAMPLE_KIND_SPAN_BEGIN || e->kind > MPSAMPLE_KIND_PHASE)
		return;
	w.name = name_number(m, e->name ? e->name : "(unreadable)");
	if (!w.name)
		m->lost[LIMIT_NAMES]++;
	else if (!mp_time_queue_push(&m->queue, &w))
		m->lost[LIMIT_WAITING]++;
}

/* ---- Spans ---- */

static struct open_span *slot_in(
    struct open_span *spans, size_t room, uint64_t seed, uint32_t name, uint64_t id)
{
	size_t at = mp_index_mix(id ^ mp_index_mix(seed ^ name)) & (room - 1);

	while (spans[at].name && !(spans[at].name == name && spans[at].id == id))
		at = (at + 1) & (room - 1);
	return &spans[at];
}

static struct open_span *span_slot(const struct mp_markers *m, uint32_t name, uint64_t id)
{
	return slot_in(m->spans, m->spans_room, m->seed, name, id);
}

static bool grow_spans(struct mp_markers *m)
{
	size_t room = m->spans_room * 2;
	struct open_span *bigger = calloc(room, sizeof(*bigger));

	if (!bigger)
		return false;
	for (size_t i = 0; i < m->spans_room; i++) {
		const struct open_span *s = &m->spans[i];
		if (s->name)
			*slot_in(bigger, room, m->seed, s->name, s->id) = *s;
	}
	free(m->spans);
	m->spans = bigger;
	m->spans_room = room;
	return true;
}

/* Closes the gap: each of those behind it that would not be found across it moves into it (Knuth, volume 3,
 * 6.4, algorithm R), by putting them in anew. */
static void remove_span(struct mp_markers *m, struct open_span *gone)
{
	size_t mask = m->spans_room - 1, at = (size_t)(gone - m->spans);

	gone->name = 0;
	m->n_spans--;
	for (at = (at + 1) & mask; m->spans[at].name; at = (at + 1) & mask) {
		struct open_span s = m->spans[at];
		m->spans[at].name = 0;
		*span_slot(m, s.name, s.id) = s;
	}
}

static int span_begin(struct mp_markers *m, const struct waiting *w, struct mp_err *err)
{
	struct open_span *s = span_slot(m, w->name, w->a);

	(void)err;
	if (s->name) {
		m->begin_without_end++;
	} else {
		if (m->n_spans == MAX_OPEN_SPANS || (m->n_spans * 2 >= m->spans_room && !grow_spans(m))) {
			m->lost[LIMIT_OPEN_SPANS]++;
			return 0;
		}
		m->n_spans++;
		s = span_slot(m, w->name, w->a);
	}
	*s = (struct open_span){
	    .id = w->a, .t_ns = w->at.t_ns, .tid = w->tid, .name = w->name, .sums = w->sums};
	return 0;
}

static bool may_make_row(struct mp_markers *m)
{
	if (m->rows < MAX_ROWS) {
		m->rows++;
		return true;
	}
	m->lost[LIMIT_ROWS]++;
	return false;
}

static int64_t difference(int64_t from, int64_t to)
{
	return from < 0 || to < from ? -1 : to - from;
}

static struct mp_thread_sums spent_between(const struct mp_thread_sums *from, const struct mp_thread_sums *to)
{
	bool knows_calls = from->calls_since_ns == to->calls_since_ns;

	return (struct mp_thread_sums){
	    .alloc_ns = knows_calls ? difference(from->alloc_ns, to->alloc_ns) : -1,
	    .alloc_calls = knows_calls ? difference(from->alloc_calls, to->alloc_calls) : -1,
	    .fault_ns = difference(from->fault_ns, to->fault_ns),
	    .off_cpu_ns = difference(from->off_cpu_ns, to->off_cpu_ns)};
}

int mp_markers_span(struct mp_markers *m, const struct mp_span_event *e, struct mp_err *err)
{
	struct mp_span_row row = {.name = e->name,
	    .tid = e->tid,
	    .t_ns = e->t_ns,
	    .dur_ns = e->dur_ns,
	    .alloc_ns = e->spent.alloc_ns,
	    .alloc_calls = e->spent.alloc_calls,
	    .fault_ns = e->spent.fault_ns,
	    .off_cpu_ns = e->spent.off_cpu_ns,
	    .gc_ns = -1};

	if (!may_make_row(m))
		return 0;
	return mp_append_span(m->session, &row, err);
}

static int span_end(struct mp_markers *m, const struct waiting *w, struct mp_err *err)
{
	struct open_span *s = span_slot(m, w->name, w->a);

	if (!s->name) {
		m->end_without_begin++;
		return 0;
	}
	struct mp_span_row row = {.name = m->names[w->name - 1],
	    .id = w->a,
	    .tid = s->tid,
	    .t_ns = s->t_ns,
	    .dur_ns = w->at.t_ns - s->t_ns};
	/* Of two threads there is no sum. */
	struct mp_thread_sums spent =
	    s->tid == w->tid ? spent_between(&s->sums, &w->sums) : MP_THREAD_SUMS_UNKNOWN;
	if (spent.off_cpu_ns < 0 && s->tid == w->tid && m->context &&
	    !mp_context_sums(m->context, w->tid, s->t_ns, w->at.t_ns, &spent.fault_ns, &spent.off_cpu_ns))
		spent.fault_ns = spent.off_cpu_ns = -1;
	row.alloc_ns = spent.alloc_ns;
	row.alloc_calls = spent.alloc_calls;
	row.fault_ns = spent.fault_ns;
	row.off_cpu_ns = spent.off_cpu_ns;
	row.gc_ns = -1;
	remove_span(m, s);
	return may_make_row(m) ? mp_append_span(m->session, &row, err) : 0;
}

/* ---- Marks and phases ---- */

static int mark(struct mp_markers *m, const struct waiting *w, struct mp_err *err)
{
	char value[32];

	if (!may_make_row(m))
		return 0;
	snprintf(value, sizeof(value), "%" PRId64, (int64_t)w->a);
	return mp_append_mark(m->session, w->at.t_ns, w->tid, m->names[w->name - 1], value, err);
}

static int phase(struct mp_markers *m, const struct waiting *w, struct mp_err *err)
{
	int ret = 0;

	if (!may_make_row(m))
		return 0;
	if (m->phase_id)
		ret = mp_update_phase(m->session, m->phase_id, w->at.t_ns, err);
	return ret ? ret
		   : mp_append_phase(
			 m->session, m->names[w->name - 1], w->at.t_ns, "marker", &m->phase_id, err);
}

/* ---- Applying ---- */

static int (*const appliers[])(struct mp_markers *m, const struct waiting *w, struct mp_err *err) = {
    [MPSAMPLE_KIND_SPAN_BEGIN] = span_begin,
    [MPSAMPLE_KIND_SPAN_END] = span_end,
    [MPSAMPLE_KIND_MARK] = mark,
    [MPSAMPLE_KIND_PHASE] = phase,
};

static int store_counter(struct mp_markers *m, const char *name, uint64_t *value, struct mp_err *err)
{
	int ret = *value ? mp_append_counter(m->session, m->slot_ns, name, (int64_t)*value, err) : 0;

	*value = 0;
	return ret;
}

/* Writes what is counted by slot. */
static int end_slot(struct mp_markers *m, struct mp_err *err)
{
	int ret = store_counter(m, "span_begin_without_end", &m->begin_without_end, err);

	if (!ret)
		ret = store_counter(m, "span_end_without_begin", &m->end_without_begin, err);
	m->rows = 0;
	return ret;
}

struct applying {
	struct mp_markers *m;
	struct mp_err *err;
};

static int apply_one(void *ctx, const void *item)
{
	const struct applying *a = ctx;
	const struct waiting *w = item;

	return appliers[w->kind](a->m, w, a->err);
}

/* Applies what is older than `before_ns`, all of which counts for the slot that began at slot_ns. */
static int apply(struct mp_markers *m, int64_t before_ns, struct mp_err *err)
{
	struct applying a = {m, err};
	int ret = mp_time_queue_apply(&m->queue, before_ns, apply_one, &a);

	return ret ? ret : end_slot(m, err);
}

int mp_markers_commit(struct mp_markers *m, int64_t t_ns, struct mp_err *err)
{
	int ret = m->queue.n ? apply(m, m->end_ns, err) : 0;

	m->slot_ns = m->end_ns;
	m->end_ns = t_ns;
	m->rows = 0; /* also where functions are the only spans, and no marker waits */
	return ret;
}

int mp_markers_end(struct mp_markers *m, struct mp_err *err)
{
	int ret = apply(m, INT64_MAX, err);

	m->begin_without_end += m->n_spans;
	return ret ? ret : store_counter(m, "span_begin_without_end", &m->begin_without_end, err);
}

const char *mp_markers_lost(struct mp_markers *m, size_t which, uint64_t *lost)
{
	if (which >= LIMITS)
		return NULL;
	*lost = m->lost[which];
	m->lost[which] = 0;
	return limit_names[which];
}
