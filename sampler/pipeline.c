/* SPDX-License-Identifier: MIT */
#include "sampler/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/index.h"
#include "sampler/leaf.h"
#include "sampler/markers.h"
#include "store/append.h"
#include "symbolize/symbolize.h"

struct frame {
	uint64_t addr;
	int64_t t_ns; /* when it was first seen: says which mapping it was in */
};

/* A stack's frames, by frame id, innermost first: [first, first + n) of `stack_frames`. */
struct stack {
	size_t first;
	uint32_t n;
};

struct thread {
	pid_t tid;
	bool ended;
	int64_t thread_id;
	char comm[32];
};

struct mp_pipeline {
	struct mp_session *session;
	struct mp_symbolizer *symbolizer;
	struct mp_err err;
	int failed; /* the first failure: -errno */

	struct mp_leaf *leaf;
	struct mp_markers *markers;

	struct mp_index frame_index, stack_index;
	struct frame *frames; /* [id - 1] */
	struct stack *stacks; /* [id - 1] */
	int64_t *stack_frames;
	size_t n_stack_frames, frames_room, stacks_room, stack_frames_room;

	struct thread *threads;
	size_t n_threads, threads_room;
	struct mp_index thread_index; /* by tid: the latest thread that had it */
	uint64_t stacks_dropped;      /* since the last commit */
	int64_t committed_ns;
	struct mp_pipeline_totals totals;
};

/*
 * Distinct stacks are bounded by the program's call graph, but a corrupt stack (no frame pointers) can be new
 * each time. Beyond this many, rows go without a stack, and the loss says so.
 */
#define MAX_STACKS 200000
#define MAX_FRAMES 200000

static const char *const kind_names[] = {"minor_fault", "major_fault", "off_cpu", "migration"};

const char *mp_kernel_kind_name(enum mp_kernel_kind kind)
{
	return kind_names[kind];
}

static void fail(struct mp_pipeline *p, int ret)
{
	if (ret && !p->failed)
		p->failed = ret;
}

/* Where to put the text of a failure: only the first is kept. */
static struct mp_err *err_of(struct mp_pipeline *p)
{
	return p->failed ? NULL : &p->err;
}

/* Makes room for one more element; 0 or -ENOMEM, remembered. */
static int grow(struct mp_pipeline *p, void **array, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return 0;
	size_t more = *room ? *room * 2 : 256;
	while (more < wanted)
		more *= 2;
	void *bigger = reallocarray(*array, more, size);
	if (!bigger) {
		fail(p, mp_err_set(err_of(p), ENOMEM, "out of memory"));
		return -ENOMEM;
	}
	*array = bigger;
	*room = more;
	return 0;
}

/* ---- Stacks ---- */

static uint32_t *index_slot(struct mp_pipeline *p, struct mp_index *x, uint64_t hash,
    bool (*same)(const void *owner, uint32_t value, const void *what), const void *what)
{
	uint32_t *slot = mp_index_slot(x, hash, same, p, what);

	if (!slot)
		fail(p, mp_err_set(err_of(p), ENOMEM, "out of memory"));
	return slot;
}

static bool same_frame(const void *owner, uint32_t id, const void *addr)
{
	const struct mp_pipeline *p = owner;
	return p->frames[id - 1].addr == *(const uint64_t *)addr;
}

static int64_t frame_id(struct mp_pipeline *p, uint64_t addr, int64_t t_ns)
{
	uint32_t *slot = index_slot(p, &p->frame_index, mp_index_mix(addr), same_frame, &addr);

	if (!slot || *slot)
		return slot ? *slot : 0;
	if (p->frame_index.n >= MAX_FRAMES || p->stack_index.n >= MAX_STACKS)
		return 0;
	if (grow(p, (void **)&p->frames, &p->frames_room, p->frame_index.n + 1, sizeof(*p->frames)))
		return 0;
	uint32_t id = (uint32_t)++p->frame_index.n;
	p->frames[id - 1] = (struct frame){addr, t_ns};
	*slot = id;
	p->totals.frames++;
	fail(p, mp_append_frame(p->session, id, addr, err_of(p)));
	return id;
}

struct stack_key {
	const int64_t *frames;
	size_t n;
};

static bool same_stack(const void *owner, uint32_t id, const void *what)
{
	const struct mp_pipeline *p = owner;
	const struct stack_key *key = what;
	const struct stack *s = &p->stacks[id - 1];

	return s->n == key->n &&
	       !memcmp(p->stack_frames + s->first, key->frames, key->n * sizeof(*key->frames));
}

static int64_t stack_id(struct mp_pipeline *p, const struct mp_call_event *e)
{
	int64_t frames[MP_MAX_FRAMES];
	uint64_t ip[MP_MAX_FRAMES];
	size_t n =
	    mp_leaf_complete(p->leaf, e->ip, e->nframes, e->word, e->nwords, e->t_ns, ip, MP_MAX_FRAMES);
	struct stack_key key = {frames, 0};
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		frames[i] = frame_id(p, ip[i], e->t_ns);
		if (!frames[i])
			break;
		hash = mp_index_mix(hash ^ (uint64_t)frames[i]);
		key.n++;
	}
	if (!n || p->failed)
		return 0;
	if (key.n < n) {
		p->stacks_dropped++;
		return 0;
	}

	uint32_t *slot = index_slot(p, &p->stack_index, hash, same_stack, &key);
	if (!slot || *slot)
		return slot ? *slot : 0;
	if (p->stack_index.n >= MAX_STACKS) {
		p->stacks_dropped++;
		return 0;
	}
	if (grow(p, (void **)&p->stacks, &p->stacks_room, p->stack_index.n + 1, sizeof(*p->stacks)) ||
	    grow(p, (void **)&p->stack_frames, &p->stack_frames_room, p->n_stack_frames + key.n,
		sizeof(*p->stack_frames)))
		return 0;
	uint32_t id = (uint32_t)++p->stack_index.n;
	p->stacks[id - 1] = (struct stack){p->n_stack_frames, (uint32_t)key.n};
	memcpy(p->stack_frames + p->n_stack_frames, frames, key.n * sizeof(*frames));
	p->n_stack_frames += key.n;
	*slot = id;
	p->totals.stacks++;
	fail(p, mp_append_stack(p->session, id, frames, key.n, err_of(p)));
	return id;
}

/* ---- Events ---- */

struct mp_pipeline *mp_pipeline_new(struct mp_session *session, pid_t pid)
{
	struct mp_pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = session;
	p->symbolizer = mp_symbolizer_new(pid);
	p->leaf = p->symbolizer ? mp_leaf_new(pid, p->symbolizer) : NULL;
	p->markers = mp_markers_new(session);
	if (!p->leaf || !p->markers) {
		mp_pipeline_free(p);
		return NULL;
	}
	return p;
}

void mp_pipeline_free(struct mp_pipeline *p)
{
	if (!p)
		return;
	mp_leaf_free(p->leaf);
	mp_markers_free(p->markers);
	if (p->symbolizer)
		mp_symbolizer_free(p->symbolizer);
	mp_index_free(&p->frame_index);
	mp_index_free(&p->stack_index);
	mp_index_free(&p->thread_index);
	free(p->frames);
	free(p->stacks);
	free(p->stack_frames);
	free(p->threads);
	free(p);
}

void mp_pipeline_call(struct mp_pipeline *p, const struct mp_call_event *e)
{
	if (p->failed)
		return;
	struct mp_call row = {
	    .t_ns = e->t_ns,
	    .tid = e->tid,
	    .op = e->op,
	    .kept = e->kept,
	    .weight = e->weight,
	    .size_bytes = e->size_bytes,
	    .addr = e->addr,
	    .dur_ns = e->dur_ns,
	    .stack_id = stack_id(p, e),
	};
	p->totals.rows++;
	fail(p, mp_append_call(p->session, &row, err_of(p)));
}

void mp_pipeline_kernel_event(struct mp_pipeline *p, enum mp_kernel_kind kind, pid_t tid, int64_t t_ns,
    int64_t dur_ns, uint64_t addr, uint64_t ip)
{
	if (p->failed)
		return;
	struct mp_kernel_event row = {t_ns, tid, kind_names[kind], dur_ns, addr, ip};
	p->totals.kernel_rows++;
	fail(p, mp_append_kernel_event(p->session, &row, err_of(p)));
}

static bool same_tid(const void *owner, uint32_t value, const void *tid)
{
	const struct mp_pipeline *p = owner;
	return p->threads[value - 1].tid == *(const pid_t *)tid;
}

static uint32_t *thread_slot(struct mp_pipeline *p, pid_t tid)
{
	return index_slot(p, &p->thread_index, mp_index_mix((uint64_t)tid), same_tid, &tid);
}

/* The latest thread of this id: ids are used again. */
static struct thread *find_thread(struct mp_pipeline *p, pid_t tid)
{
	uint32_t *slot = thread_slot(p, tid);
	return slot && *slot ? &p->threads[*slot - 1] : NULL;
}

void mp_pipeline_thread(struct mp_pipeline *p, pid_t tid, const char *comm, int64_t start_ns)
{
	struct thread *t = find_thread(p, tid);

	if (p->failed)
		return;
	if (t && !t->ended) {
		if (strcmp(t->comm, comm)) {
			snprintf(t->comm, sizeof(t->comm), "%s", comm);
			fail(p, mp_update_thread(p->session, t->thread_id, comm, 0, err_of(p)));
		}
		return;
	}
	if (grow(p, (void **)&p->threads, &p->threads_room, p->n_threads + 1, sizeof(*p->threads)))
		return;
	uint32_t *slot = thread_slot(p, tid);
	if (!slot)
		return;
	p->thread_index.n += !*slot;
	*slot = (uint32_t)++p->n_threads;
	t = &p->threads[*slot - 1];
	*t = (struct thread){.tid = tid};
	snprintf(t->comm, sizeof(t->comm), "%s", comm);
	fail(p, mp_append_thread(p->session, tid, t->comm, start_ns, &t->thread_id, err_of(p)));
}

void mp_pipeline_thread_begin(struct mp_pipeline *p, pid_t tid, pid_t maker, int64_t start_ns)
{
	const struct thread *m = find_thread(p, maker);
	char comm[sizeof(m->comm)] = "";

	if (m) /* a copy: adding a thread may move them all */
		memcpy(comm, m->comm, sizeof(comm));
	mp_pipeline_thread(p, tid, comm, start_ns);
}

void mp_pipeline_thread_end(struct mp_pipeline *p, pid_t tid, int64_t t_ns)
{
	struct thread *t = find_thread(p, tid);

	if (!t || t->ended || p->failed)
		return;
	fail(p, mp_update_thread(p->session, t->thread_id, t->comm, t_ns, err_of(p)));
	t->ended = true;
}

void mp_pipeline_map(
    struct mp_pipeline *p, uint64_t start, uint64_t end, uint64_t file_offset, const char *path, int64_t t_ns)
{
	if (p->failed)
		return;
	struct mp_map map = {start, end, file_offset, path, t_ns};
	mp_symbolizer_add_map(p->symbolizer, &map);

	struct mp_module_row row = {
	    path, mp_symbolizer_build_id(p->symbolizer, start), start, end, file_offset, t_ns};
	fail(p, mp_append_module(p->session, &row, err_of(p)));
}

void mp_pipeline_mark(struct mp_pipeline *p, int64_t t_ns, pid_t tid, const char *name, const char *detail)
{
	if (!p->failed)
		fail(p, mp_append_mark(p->session, t_ns, tid, name, detail, err_of(p)));
}

void mp_pipeline_marker(struct mp_pipeline *p, const struct mp_marker_event *e)
{
	if (!p->failed)
		mp_markers_take(p->markers, e);
}

void mp_pipeline_loss(
    struct mp_pipeline *p, int64_t t_ns, const char *source, const char *what, uint64_t lost)
{
	if (!lost || p->failed)
		return;
	uint64_t *total = !strcmp(what, "calls")  ? &p->totals.calls_lost
			  : !strcmp(what, "rows") ? &p->totals.rows_lost
						  : &p->totals.events_lost;
	*total += lost;
	fail(p, mp_append_loss(p->session, t_ns, source, what, lost, err_of(p)));
}

static void tell_markers_lost(struct mp_pipeline *p, int64_t t_ns)
{
	const char *limit;
	uint64_t lost;

	for (size_t i = 0; (limit = mp_markers_lost(p->markers, i, &lost)); i++)
		mp_pipeline_loss(p, t_ns, limit, "events", lost);
}

int mp_pipeline_commit(struct mp_pipeline *p, int64_t t_ns, struct mp_err *err)
{
	if (!p->failed)
		fail(p, mp_markers_commit(p->markers, t_ns, err_of(p)));
	tell_markers_lost(p, t_ns);
	p->committed_ns = t_ns;
	mp_pipeline_loss(p, t_ns, "stacks, of too many", "events", p->stacks_dropped);
	p->stacks_dropped = 0;
	if (!p->failed)
		fail(p, mp_session_commit(p->session, err_of(p)));
	if (p->failed && err)
		*err = p->err;
	return p->failed;
}

/* ---- Names ---- */

struct wrapper_test {
	bool (*is_wrapper)(void *ctx, const char *function, const char *module);
	void *ctx;
	bool *frame; /* per frame id: is a wrapper */
};

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path;
}

/* What a frame is called as a site: its function, else where its code lies. */
static void site_text(
    const struct mp_pipeline *p, int64_t id, const struct mp_name *n, char *buf, size_t size)
{
	if (n->function)
		snprintf(buf, size, "%s", n->function);
	else if (n->module)
		snprintf(buf, size, "%s+0x%llx", base_name(n->module), (unsigned long long)n->offset);
	else
		snprintf(buf, size, "0x%llx", (unsigned long long)p->frames[id - 1].addr);
}

/* A frame holds a return address: the call before it may be the last instruction of its function. */
static void name_frame(struct mp_pipeline *p, int64_t id, struct mp_name *out)
{
	const struct frame *f = &p->frames[id - 1];
	mp_symbolizer_name(p->symbolizer, f->addr - 1, f->t_ns, out);
}

static void symbolize_frames(struct mp_pipeline *p, struct wrapper_test *test)
{
	for (size_t id = 1; id <= p->frame_index.n && !p->failed; id++) {
		struct mp_name n;
		name_frame(p, (int64_t)id, &n);
		test->frame[id] = test->is_wrapper(test->ctx, n.function, n.module);

		struct mp_frame_names row = {.module = n.module,
		    .function = n.function,
		    .file = n.file,
		    .offset = n.offset + 1,
		    .line = n.line,
		    .quality = (int)n.quality};
		fail(p, mp_update_frame(p->session, (int64_t)id, &row, err_of(p)));
	}
}

static void symbolize_site(struct mp_pipeline *p, size_t id, const struct wrapper_test *test)
{
	const struct stack *s = &p->stacks[id - 1];
	const int64_t *frames = p->stack_frames + s->first;
	uint32_t at = 0;
	struct mp_name n;
	char site[512];

	while (at < s->n && test->frame[frames[at]])
		at++;
	if (at == s->n)
		at = 0; /* wrappers all the way: the direct caller says more than nothing */
	name_frame(p, frames[at], &n);
	if (!n.module && at)
		at--; /* no code: what follows a frame without a frame pointer. The wrapper is still true. */
	name_frame(p, frames[at], &n);
	site_text(p, frames[at], &n, site, sizeof(site));
	fail(p, mp_update_site(p->session, (int64_t)id, site, err_of(p)));
}

int mp_pipeline_symbolize(struct mp_pipeline *p,
    bool (*is_wrapper)(void *ctx, const char *function, const char *module), void *ctx, struct mp_err *err)
{
	struct wrapper_test test = {is_wrapper, ctx, calloc(p->frame_index.n + 1, sizeof(bool))};

	/* What markers still wait for now, does not come any more. */
	if (!p->failed)
		fail(p, mp_markers_end(p->markers, err_of(p)));
	tell_markers_lost(p, p->committed_ns);
	if (!test.frame)
		fail(p, mp_err_set(err_of(p), ENOMEM, "out of memory"));
	else
		symbolize_frames(p, &test);
	for (size_t id = 1; id <= p->stack_index.n && !p->failed; id++)
		symbolize_site(p, id, &test);
	free(test.frame);
	if (p->failed && err)
		*err = p->err;
	return p->failed;
}

void mp_pipeline_totals(const struct mp_pipeline *p, struct mp_pipeline_totals *out)
{
	*out = p->totals;
}
