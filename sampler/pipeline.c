/* SPDX-License-Identifier: MIT */
#include "sampler/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/cause.h"
#include "sampler/components/gauges.h"
#include "sampler/components/scopes.h"
#include "sampler/deferred.h"
#include "sampler/grow.h"
#include "sampler/index.h"
#include "sampler/markers.h"
#include "sampler/preload/mpsample.h"
#include "sampler/samples/samples.h"
#include "sampler/stack_table.h"
#include "store/append.h"
#include "store/retention.h"

/* Calls that wait for their stacks are looked at this often. */
#define RETRY_NS 100000000

/* At the end, so long between two looks whether the user still waits for the last stacks. */
#define WAIT_MS 100

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

	struct mp_stack_table *stacks;
	struct mp_deferred *deferred; /* calls whose stacks wait */
	struct mp_samples *samples;
	struct mp_blocks *blocks; /* NULL: none is followed */
	bool blocks_of_calls;     /* all are, by their calls */
	uint64_t births;
	uint64_t blocks_lost, blocks_no_room; /* when last told */
	struct mp_markers *markers;
	bool phase_came; /* since the last mp_pipeline_phase_came() */
	struct mp_scopes *scopes;
	struct mp_told_gauges gauges;
	uint64_t gauge_sets; /* since the last commit, of those that came as markers */
	struct mp_pools *pools;
	struct mp_gc *gc;
	struct mp_context *context;
	bool *is_written; /* by the symbolizer's number of a mapping: it is in the session */
	size_t is_written_room;
	uint64_t maps_lost; /* since the last commit */
	int64_t mapped_ns;  /* all mappings up to then are known */
	int64_t retried_ns;
	uint64_t tables_done; /* when it was last tried */

	struct thread *threads;
	size_t n_threads, threads_room;
	struct mp_index thread_index;  /* by tid: the latest thread that had it */
	uint64_t stacks_deferred_lost; /* since the last commit */
	int64_t committed_ns;
	struct mp_pipeline_totals totals;
};

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

/* 0 or -ENOMEM, remembered. */
static int grow(struct mp_pipeline *p, void **array, size_t *room, size_t wanted, size_t size)
{
	if (mp_grow(array, room, wanted, size))
		return 0;
	fail(p, mp_err_set(err_of(p), ENOMEM, "out of memory"));
	return -ENOMEM;
}

static uint32_t *index_slot(struct mp_pipeline *p, struct mp_index *x, uint64_t hash,
    bool (*same)(const void *owner, uint32_t value, const void *what), const void *what)
{
	uint32_t *slot = mp_index_slot(x, hash, same, p, what);

	if (!slot)
		fail(p, mp_err_set(err_of(p), ENOMEM, "out of memory"));
	return slot;
}

/* ---- Events ---- */

struct mp_pipeline *mp_pipeline_new(struct mp_session *session, struct mp_symbolizer *symbolizer)
{
	struct mp_pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = session;
	p->symbolizer = symbolizer;
	p->mapped_ns = INT64_MAX;
	p->stacks = mp_stack_table_new(session, symbolizer);
	p->deferred = mp_deferred_new();
	p->samples = p->stacks ? mp_samples_new(session, symbolizer, p->stacks) : NULL;
	p->markers = mp_markers_new(session);
	p->scopes = mp_scopes_new(session);
	p->pools = p->stacks ? mp_pools_new(session, p->stacks) : NULL;
	p->gc = mp_gc_new(session);
	p->context = mp_context_new();
	if (!p->stacks || !p->deferred || !p->samples || !p->markers || !p->scopes || !p->pools || !p->gc ||
	    !p->context) {
		mp_pipeline_free(p);
		return NULL;
	}
	return p;
}

void mp_pipeline_free(struct mp_pipeline *p)
{
	if (!p)
		return;
	mp_samples_free(p->samples);
	mp_blocks_free(p->blocks);
	mp_pools_free(p->pools);
	mp_gc_free(p->gc);
	mp_stack_table_free(p->stacks);
	mp_deferred_free(p->deferred);
	mp_markers_free(p->markers);
	mp_scopes_free(p->scopes);
	mp_context_free(p->context);
	mp_index_free(&p->thread_index);
	free(p->is_written);
	free(p->threads);
	free(p);
}

static int64_t append_call(struct mp_pipeline *p, const struct mp_call_event *e, int64_t stack_id)
{
	struct mp_call row = {
	    .t_ns = e->t_ns,
	    .tid = e->tid,
	    .op = e->op,
	    .kept = e->kept,
	    .weight = e->weight,
	    .size_bytes = e->size_bytes,
	    .addr = e->addr,
	    .dur_ns = e->dur_ns,
	    .stack_id = stack_id,
	    .scope = e->scope,
	};
	int64_t call_id = 0;

	p->totals.rows++;
	fail(p, mp_append_call(p->session, &row, &call_id, err_of(p)));
	const struct mp_cause_account account = {
	    .call_id = call_id, .dur_ns = e->dur_ns, .causes = e->causes, .hiccup_ns = e->hiccup_ns};
	if (!p->failed)
		fail(p, mp_cause_write(p->session, &account, err_of(p)));
	return call_id;
}

static bool has_stack(const struct mp_call_event *e)
{
	return e->stack || e->nframes;
}

static uint64_t caller_of(const struct mp_call_event *e)
{
	return e->caller || !e->nframes ? e->caller : e->ip[0];
}

/* Where only the caller is known, that is the stack. */
static void be_born(struct mp_pipeline *p, const struct mp_call_event *e, int64_t t_ns, int64_t stack_id)
{
	uint64_t ip = caller_of(e);
	const struct mp_stack_source caller = {.ip = &ip, .n_ip = 1, .t_ns = e->t_ns};
	struct mp_block_birth birth = {.addr = e->addr,
	    .size_bytes = e->size_bytes,
	    .period_bytes = e->born_period,
	    .t_ns = t_ns,
	    .tid = e->tid,
	    .op = e->op,
	    .stack_id = stack_id,
	    .scope = e->scope};

	if (!stack_id && ip)
		fail(p, mp_stack_table_add(p->stacks, &caller, &birth.stack_id, err_of(p)));
	mp_blocks_born(p->blocks, &birth);
}

/* What a call says of blocks. */
static void follow_call(struct mp_pipeline *p, const struct mp_call_event *e, int64_t stack_id)
{
	bool is_move = e->op == MP_OP_REALLOC || e->op == MP_OP_REALLOCARRAY;

	mp_samples_call(p->samples, e, stack_id);
	if (!p->blocks_of_calls)
		return;
	if (mp_op_ignores_null(e->op)) {
		mp_blocks_died(p->blocks, e->addr, e->t_ns, e->tid, false);
		return;
	}
	/* A realloc that fails leaves the block as it was; one to nothing releases it. */
	if (is_move && e->handed_in && (e->addr || !e->size_bytes))
		mp_blocks_died(p->blocks, e->handed_in, e->t_ns, e->tid, true);
	if (e->addr)
		be_born(p, e, e->end_ns ? e->end_ns : e->t_ns + e->dur_ns, stack_id);
}

/* True: the call has to wait for its stack. */
static bool take_call(void *ctx, const struct mp_call_event *e, int64_t *call_id)
{
	struct mp_pipeline *p = ctx;
	int64_t stack_id;

	if (p->failed)
		return false;
	if (has_stack(e) && e->t_ns > p->mapped_ns - e->dur_ns)
		return true;
	const struct mp_stack_source source = {
	    .stack = e->stack, .ip = e->ip, .n_ip = e->nframes, .t_ns = e->t_ns};
	int ret = mp_stack_table_add(p->stacks, &source, &stack_id, err_of(p));
	if (ret == -EAGAIN)
		return true;
	if (!ret && e->born_period) {
		be_born(p, e, e->t_ns, stack_id);
		return false;
	}
	if (!ret && e->is_no_row) {
		follow_call(p, e, stack_id);
		return false;
	}
	if (!ret && !*call_id)
		*call_id = append_call(p, e, stack_id);
	else if (!ret && stack_id)
		ret = mp_update_call_stack(p->session, *call_id, stack_id, err_of(p));
	fail(p, ret);
	follow_call(p, e, stack_id);
	return false;
}

/* What waits is written all the same, lest a recorder that is killed takes it along: its stack follows. */
static bool write_waiting(void *ctx, const struct mp_call_event *e, int64_t *call_id)
{
	struct mp_pipeline *p = ctx;

	if (!*call_id && !p->failed && !e->born_period && !e->is_no_row)
		*call_id = append_call(p, e, 0);
	return true;
}

static bool give_up_stack(void *ctx, const struct mp_call_event *e, int64_t *call_id)
{
	struct mp_pipeline *p = ctx;

	p->stacks_deferred_lost++;
	if (p->failed)
		return false;
	if (e->born_period) {
		be_born(p, e, e->t_ns, 0);
		return false;
	}
	if (!*call_id && !e->is_no_row)
		append_call(p, e, 0);
	follow_call(p, e, 0);
	return false;
}

/* A call that begins in a component belongs to it, and one that is written down ended in the same. */
static unsigned int scope_of(struct mp_pipeline *p, const struct mp_call_event *e)
{
	return e->scope ? e->scope : mp_scopes_of(p->scopes, e->tid);
}

/* False: a session of limited size has no room for a call of its kind. */
static bool is_kept(struct mp_pipeline *p, struct mp_call_event *e)
{
	struct mp_call row = {.op = e->op, .kept = e->kept, .weight = e->weight, .dur_ns = e->dur_ns};
	bool is = mp_retention_keeps_call(p->session, &row);

	e->kept = row.kept;
	e->weight = row.weight;
	return is;
}

void mp_pipeline_call(struct mp_pipeline *p, const struct mp_call_event *call)
{
	struct mp_call_event e = *call;
	struct mp_causes found;
	int64_t call_id = 0;

	e.scope = scope_of(p, &e);
	if (!is_kept(p, &e)) {
		mp_pipeline_tracked(p, &e);
		return;
	}

	if (!e.knows_causes && mp_context_causes(p->context, e.tid, e.t_ns, e.t_ns + e.dur_ns, &found))
		e.causes = &found;
	e.hiccup_ns = mp_context_hiccup_ns(p->context, e.t_ns, e.t_ns + e.dur_ns);
	if (take_call(p, &e, &call_id) && !mp_deferred_put(p->deferred, &e))
		give_up_stack(p, &e, &call_id);
}

int mp_pipeline_track(struct mp_pipeline *p, pid_t pid, struct mp_err *err)
{
	return mp_samples_track(p->samples, pid) ? mp_err_set(err, ENOMEM, "out of memory") : 0;
}

void mp_pipeline_tracked(struct mp_pipeline *p, const struct mp_call_event *e)
{
	struct mp_call_event copy = *e;
	int64_t none = 0;

	if (p->failed)
		return;
	copy.is_no_row = true;
	copy.scope = scope_of(p, e);
	if (!p->blocks_of_calls || !has_stack(e))
		follow_call(p, &copy, 0);
	else if (take_call(p, &copy, &none) && !mp_deferred_put(p->deferred, &copy))
		give_up_stack(p, &copy, &none);
}

int mp_pipeline_follow_blocks(struct mp_pipeline *p, const struct mp_blocks_options *o, struct mp_err *err)
{
	p->blocks = mp_blocks_new(p->session, o);
	p->blocks_of_calls = p->blocks && o->all;
	return p->blocks ? 0 : mp_err_set(err, ENOMEM, "out of memory");
}

void mp_pipeline_block_born(struct mp_pipeline *p, const struct mp_call_event *e)
{
	int64_t none = 0;

	if (p->failed || !p->blocks)
		return;
	p->births++;
	if (take_call(p, e, &none) && !mp_deferred_put(p->deferred, e))
		give_up_stack(p, e, &none);
}

void mp_pipeline_block_died(struct mp_pipeline *p, uint64_t addr, int64_t t_ns, pid_t tid, bool is_moved)
{
	if (p->blocks)
		mp_blocks_died(p->blocks, addr, t_ns, tid, is_moved);
}

void mp_pipeline_blocks_gone(struct mp_pipeline *p, int64_t t_ns)
{
	if (p->blocks)
		mp_blocks_all_gone(p->blocks, t_ns);
}

void mp_pipeline_look_at_blocks(struct mp_pipeline *p, int64_t now_ns)
{
	if (p->blocks && !p->failed)
		fail(p, mp_blocks_look(p->blocks, now_ns, err_of(p)));
}

uint64_t mp_pipeline_births(const struct mp_pipeline *p)
{
	return p->births;
}

const struct mp_blocks *mp_pipeline_blocks(const struct mp_pipeline *p)
{
	return p->blocks;
}

void mp_pipeline_sample(struct mp_pipeline *p, const struct mp_sample_event *e)
{
	p->totals.samples++;
	if (!p->failed)
		fail(p, mp_samples_take(p->samples, e, err_of(p)));
}

void mp_pipeline_map_data(
    struct mp_pipeline *p, uint64_t start, uint64_t end, uint64_t file_offset, const char *path)
{
	mp_samples_map(p->samples, start, end, file_offset, path);
}

/* What a call that still waits has allocated is not known yet. */
void mp_pipeline_calls_known(struct mp_pipeline *p, int64_t t_ns)
{
	int64_t waiting_ns = mp_deferred_oldest_ns(p->deferred);

	if (mp_deferred_count(p->deferred) && t_ns >= waiting_ns)
		t_ns = waiting_ns - 1;
	if (p->failed)
		return;
	fail(p, mp_samples_settle(p->samples, t_ns, p->mapped_ns, err_of(p)));
	if (p->blocks && !p->failed)
		fail(p, mp_blocks_settle(p->blocks, t_ns, err_of(p)));
}

/* Only where something has changed since the last look: a table was finished, or more mappings are known. */
static void retry(struct mp_pipeline *p)
{
	uint64_t tables = mp_symbolizer_tables_done(p->symbolizer);

	if (!mp_deferred_count(p->deferred) || (tables == p->tables_done && p->mapped_ns == p->retried_ns))
		return;
	p->tables_done = tables;
	p->retried_ns = p->mapped_ns;
	mp_deferred_each(p->deferred, take_call, p);
}

void mp_pipeline_kernel_event(struct mp_pipeline *p, const struct mp_kernel_interval *k)
{
	char kind[MP_CAUSE_KIND_BYTES];
	struct mp_kernel_event row = {.t_ns = k->t_ns,
	    .tid = k->tid,
	    .kind = mp_cause_kind(k->kind, k->what, kind),
	    .dur_ns = k->dur_ns,
	    .addr = k->addr,
	    .ip = k->ip};

	if (p->failed)
		return;
	mp_context_add(p->context, k);
	if (!k->is_row)
		return;
	p->totals.kernel_rows++;
	fail(p, mp_append_kernel_event(p->session, &row, err_of(p)));
}

void mp_pipeline_hiccup(struct mp_pipeline *p, int64_t t_ns, int64_t dur_ns)
{
	struct mp_kernel_event row = {.t_ns = t_ns, .kind = "hiccup", .dur_ns = dur_ns};

	if (p->failed)
		return;
	mp_context_add_hiccup(p->context, t_ns, dur_ns);
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
	mp_scopes_forget(p->scopes, tid);
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
	struct mp_map map = {
	    .start = start, .end = end, .file_offset = file_offset, .path = path, .t_ns = t_ns};
	uint32_t number = mp_symbolizer_add_map(p->symbolizer, &map);
	struct mp_module_info info;

	p->maps_lost += !number;
	if (!number || !mp_symbolizer_module(p->symbolizer, number, &info))
		return;
	size_t before = p->is_written_room;
	if (grow(p, (void **)&p->is_written, &p->is_written_room, number + 1, sizeof(*p->is_written)))
		return;
	memset(p->is_written + before, 0, p->is_written_room - before);
	if (p->is_written[number])
		return;
	p->is_written[number] = true;
	struct mp_module_row row = {.module_id = number,
	    .path = info.path,
	    .build_id = info.build_id,
	    .start = start,
	    .end = end,
	    .file_offset = file_offset,
	    .t_ns = t_ns,
	    .bias_known = info.bias_known,
	    .bias = info.bias,
	    .note = info.note};
	fail(p, mp_append_module(p->session, &row, err_of(p)));
}

void mp_pipeline_mappings_known(struct mp_pipeline *p, int64_t t_ns)
{
	p->mapped_ns = t_ns;
	if (t_ns - p->retried_ns >= RETRY_NS || mp_deferred_is_filling(p->deferred))
		retry(p);
}

void mp_pipeline_mark(struct mp_pipeline *p, int64_t t_ns, pid_t tid, const char *name, const char *detail)
{
	if (!p->failed)
		fail(p, mp_append_mark(p->session, t_ns, tid, name, detail, err_of(p)));
}

void mp_pipeline_all_kernel_events(struct mp_pipeline *p)
{
	mp_markers_use(p->markers, p->context);
}

void mp_pipeline_span(struct mp_pipeline *p, const struct mp_span_event *e)
{
	if (!p->failed)
		fail(p, mp_markers_span(p->markers, e, err_of(p)));
}

void mp_pipeline_marker(struct mp_pipeline *p, const struct mp_marker_event *e)
{
	if (p->failed)
		return;
	p->phase_came |= e->kind == MPSAMPLE_KIND_PHASE;
	if (e->kind == MPSAMPLE_KIND_COMPONENT_BEGIN) {
		fail(p, mp_scopes_begin(p->scopes, e->tid, e->name, err_of(p)));
	} else if (e->kind == MPSAMPLE_KIND_COMPONENT_END) {
		mp_scopes_end(p->scopes, e->tid);
	} else if (e->kind == MPSAMPLE_KIND_GAUGE) {
		p->gauge_sets++;
		mp_told_gauge(&p->gauges, e->name, (int64_t)e->a);
	} else {
		mp_markers_take(p->markers, e);
	}
}

bool mp_pipeline_phase_came(struct mp_pipeline *p)
{
	bool came = p->phase_came;

	p->phase_came = false;
	return came;
}

unsigned int mp_pipeline_scope(struct mp_pipeline *p, const char *name)
{
	unsigned int number = 0;

	if (!p->failed)
		fail(p, mp_scopes_number(p->scopes, name, &number, err_of(p)));
	return number;
}

void mp_pipeline_gauge(struct mp_pipeline *p, const char *name, int64_t value)
{
	mp_told_gauge(&p->gauges, name, value);
}

void mp_pipeline_scopes_over(struct mp_pipeline *p)
{
	mp_scopes_forget_all(p->scopes);
}

int mp_pipeline_gauges(
    struct mp_pipeline *p, const struct mp_gauge_set *read, int64_t now_ns, struct mp_err *err)
{
	return p->failed ? 0 : mp_told_gauges_step(&p->gauges, read, p->session, now_ns, err);
}

int mp_pipeline_pool_kinds(
    struct mp_pipeline *p, const struct mp_pool_kind *kinds, size_t n, struct mp_err *err)
{
	return mp_pools_kinds(p->pools, kinds, n) ? mp_err_set(err, ENOMEM, "out of memory") : 0;
}

void mp_pipeline_pool(struct mp_pipeline *p, const struct mp_pool_event *e)
{
	if (!p->failed)
		mp_pools_take(p->pools, e);
}

void mp_pipeline_pool_lost(struct mp_pipeline *p, const struct mp_pool_lost *lost)
{
	if (!p->failed)
		mp_pools_lost(p->pools, lost);
}

void mp_pipeline_gc_follow(
    struct mp_pipeline *p, const struct mp_gc_set *set, const struct mp_gc_listener *listener)
{
	mp_gc_follow(p->gc, set, listener);
}

void mp_pipeline_gc(struct mp_pipeline *p, const struct mp_gc_event *e)
{
	if (!p->failed)
		mp_gc_take(p->gc, e);
}

void mp_pipeline_gc_known(struct mp_pipeline *p, int64_t t_ns)
{
	if (!p->failed)
		fail(p, mp_gc_settle(p->gc, t_ns, err_of(p)));
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
	for (size_t i = 0; (limit = mp_pools_lost_by(p->pools, i, &lost)); i++)
		mp_pipeline_loss(p, t_ns, limit, "events", lost);
	for (size_t i = 0; (limit = mp_gc_lost_by(p->gc, i, &lost)); i++)
		mp_pipeline_loss(p, t_ns, limit, "events", lost);
}

static void store_counter(struct mp_pipeline *p, const char *name, uint64_t value)
{
	if (value && !p->failed)
		fail(p, mp_append_counter(p->session, p->committed_ns, name, (int64_t)value, err_of(p)));
}

/* Of what came as markers, by the slot that ends. */
static void tell_scopes(struct mp_pipeline *p, int64_t t_ns)
{
	struct mp_scopes_counts c = mp_scopes_take_counts(p->scopes);

	store_counter(p, "gauge_sets", p->gauge_sets);
	store_counter(p, "component_end_without_begin", c.ends);
	mp_pipeline_loss(p, t_ns, "components inside too many others", "events", c.deep);
	mp_pipeline_loss(p, t_ns, "names of components, of too many", "events", c.names_lost);
	mp_pipeline_loss(p, t_ns, "gauges, of too many", "events", p->gauges.lost);
	p->gauge_sets = p->gauges.lost = 0;
}

static void tell_stacks_lost(struct mp_pipeline *p, int64_t t_ns)
{
	mp_pipeline_loss(p, t_ns, "stacks, of too many", "events", mp_stack_table_take_dropped(p->stacks));
	mp_pipeline_loss(p, t_ns, "stacks, of code not read yet", "events", p->stacks_deferred_lost);
	mp_pipeline_loss(p, t_ns, "mappings, of too many", "events", p->maps_lost);
	p->stacks_deferred_lost = p->maps_lost = 0;
	struct mp_samples_lost lost = mp_samples_lost(p->samples);
	mp_pipeline_loss(p, t_ns, "stacks of samples", "events", lost.stacks);
	mp_pipeline_loss(p, t_ns, "addresses of samples, of too many", "events", lost.addresses);
	mp_pipeline_loss(p, t_ns, "blocks that were released unseen, or too many", "events", lost.blocks);
}

static void tell_blocks_lost(struct mp_pipeline *p, int64_t t_ns)
{
	struct mp_blocks_counts c = {0};

	if (p->blocks)
		c = mp_blocks_counts(p->blocks);
	mp_pipeline_loss(p, t_ns, "ends of followed blocks", "events", c.lost - p->blocks_lost);
	mp_pipeline_loss(p, t_ns, "followed blocks, of too many", "events", c.no_room - p->blocks_no_room);
	p->blocks_lost = c.lost;
	p->blocks_no_room = c.no_room;
}

static void tell_refused(struct mp_pipeline *p, int64_t t_ns)
{
	struct mp_retention_refused refused = mp_retention_refused(p->session);

	mp_pipeline_loss(p, t_ns, "--max-size", "rows", refused.rows);
	mp_pipeline_loss(p, t_ns, "--max-size", "events", refused.events);
}

static int commit(struct mp_pipeline *p, struct mp_err *err)
{
	if (!p->failed)
		fail(p, mp_session_commit(p->session, err_of(p)));
	if (p->failed && err)
		*err = p->err;
	return p->failed;
}

int mp_pipeline_commit(struct mp_pipeline *p, int64_t t_ns, struct mp_err *err)
{
	if (!p->failed)
		fail(p, mp_markers_commit(p->markers, t_ns, err_of(p)));
	if (!p->failed)
		fail(p, mp_pools_commit(p->pools, t_ns, p->mapped_ns, err_of(p)));
	retry(p);
	mp_deferred_each(p->deferred, write_waiting, p);
	if (p->blocks && !p->failed)
		fail(p, mp_blocks_write(p->blocks, err_of(p)));
	tell_blocks_lost(p, t_ns);
	tell_scopes(p, t_ns);
	tell_markers_lost(p, t_ns);
	tell_stacks_lost(p, t_ns);
	tell_refused(p, t_ns);
	mp_context_forget(p->context, t_ns);
	p->committed_ns = t_ns;
	return commit(p, err);
}

int mp_pipeline_end(struct mp_pipeline *p, bool (*is_impatient)(void *ctx), void *ctx, struct mp_err *err)
{
	p->mapped_ns = INT64_MAX;
	retry(p);
	mp_pipeline_calls_known(p, INT64_MAX);
	/* A table may lead to code whose table is asked for only then. */
	while ((mp_deferred_count(p->deferred) || mp_samples_waiting(p->samples)) && !p->failed &&
	       !is_impatient(ctx)) {
		mp_symbolizer_wait(p->symbolizer, WAIT_MS);
		retry(p);
		mp_pipeline_calls_known(p, INT64_MAX);
	}
	mp_deferred_each(p->deferred, give_up_stack, p);
	mp_pipeline_calls_known(p, INT64_MAX);
	mp_pipeline_look_at_blocks(p, p->committed_ns);
	if (p->blocks && !p->failed)
		fail(p, mp_blocks_write(p->blocks, err_of(p)));
	tell_blocks_lost(p, p->committed_ns);
	if (!p->failed)
		fail(p, mp_samples_give_up(p->samples, err_of(p)));
	/* What markers still wait for now, does not come any more. */
	if (!p->failed)
		fail(p, mp_markers_end(p->markers, err_of(p)));
	if (!p->failed)
		fail(p, mp_pools_end(p->pools, err_of(p)));
	if (!p->failed)
		fail(p, mp_gc_end(p->gc, err_of(p)));
	tell_markers_lost(p, p->committed_ns);
	tell_stacks_lost(p, p->committed_ns);
	tell_refused(p, p->committed_ns);
	return commit(p, err);
}

void mp_pipeline_totals(const struct mp_pipeline *p, struct mp_pipeline_totals *out)
{
	*out = p->totals;
	out->stacks = mp_stack_table_stacks(p->stacks);
	out->frames = mp_stack_table_frames(p->stacks);
}
