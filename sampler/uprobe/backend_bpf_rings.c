/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/backend_bpf_rings.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sampler/saved_regs.h"
#include "sampler/uprobe/backend_bpf_gc.h"
#include "sampler/uprobe/backend_bpf_pools.h"

/* So many rows of a ring are read in one turn. A target that fills it as fast as it is read would else keep
 * the recorder from all other work: of what was mapped it would hear nothing, and no stack could be walked.
 */
#define TURN_ROWS 1024

/* What follows the record, as much as is there. */
static void take_stack(
    const struct mp_bpf_call *r, size_t room, struct mp_stack_state *stack, struct mp_call_event *e)
{
	if (r->nframes && r->nframes * sizeof(uint64_t) <= room) {
		e->ip = (const uint64_t *)(r + 1);
		e->nframes = r->nframes;
	}
	if (r->stack != MP_STACK_COPY || r->stack_bytes > room)
		return; /* without bytes there is still the caller */
	*stack = (struct mp_stack_state){.ip = r->ip,
	    .bytes_at = r->sp,
	    .bytes = (const unsigned char *)(r + 1),
	    .n_bytes = r->stack_bytes,
	    .t_ns = (int64_t)r->t_ns,
	    .ip_is_return = true};
	mp_stack_state_set_saved(stack, r->sp, r->saved);
	e->stack = stack;
}

/* What a ring's handler returns: less than 0 ends the turn, with this row read. */
static int next_row(struct mp_bpf_rings *b)
{
	return --b->rows_left ? 0 : -EAGAIN;
}

static int handle_call(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;
	const struct mp_bpf_call *r = data;
	struct mp_stack_state stack;

	if (!b->pipeline || size < sizeof(*r) || !mp_op_is_known(r->op))
		return 0;
	struct mp_call_event e = {
	    .tid = (pid_t)r->tid,
	    .op = r->op,
	    .kept = r->kept,
	    .weight = r->weight,
	    .t_ns = (int64_t)r->t_ns,
	    .dur_ns = (int64_t)r->dur_ns,
	    .size_bytes = r->size_bytes,
	    .addr = r->addr,
	    .end_ns = (int64_t)r->end_ns,
	    .handed_in = r->handed_in,
	    .caller = r->ip,
	    .scope = mp_bpf_scope(&b->scopes, b->pipeline, r->scope),
	    .causes = r->has_causes ? &r->causes : NULL,
	    .knows_causes = true,
	};
	take_stack(r, size - sizeof(*r), &stack, &e);
	mp_pipeline_call(b->pipeline, &e);
	return next_row(b);
}

static int handle_tracked(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;
	const struct mp_bpf_tracked *r = data;

	if (!b->pipeline || size < sizeof(*r) || r->op >= MP_OP_COUNT)
		return 0;
	const struct mp_call_event e = {.tid = (pid_t)r->tid,
	    .op = r->op,
	    .t_ns = (int64_t)r->t_ns,
	    .end_ns = (int64_t)r->end_ns,
	    .size_bytes = r->size_bytes,
	    .addr = r->addr,
	    .handed_in = r->handed_in,
	    .caller = r->ip,
	    .scope = mp_bpf_scope(&b->scopes, b->pipeline, r->scope)};
	mp_pipeline_tracked(b->pipeline, &e);
	return next_row(b);
}

static int handle_kernel(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;
	const struct mp_bpf_kernel *r = data;

	if (!b->pipeline || size < sizeof(*r) || r->kind >= MP_KERNEL_KINDS)
		return 0;
	struct mp_kernel_interval e = {
	    .tid = (pid_t)r->tid,
	    .kind = r->kind,
	    .is_row = r->is_row,
	    .is_cause = r->cause < MP_KERNEL_KINDS,
	    .cause = r->cause,
	    .t_ns = (int64_t)r->t_ns,
	    .dur_ns = r->dur_ns == ~0ULL ? -1 : (int64_t)r->dur_ns,
	    .self_ns = (int64_t)r->self_ns,
	    .addr = r->addr,
	    .ip = r->ip,
	    .what = r->what,
	    .cpu = r->cpu,
	};
	memcpy(e.ran, r->ran, sizeof(e.ran));
	mp_pipeline_kernel_event(b->pipeline, &e);
	return next_row(b);
}

static struct mp_thread_sums sums_of(const struct mp_bpf_rings *b, const struct mp_bpf_sums *s)
{
	return (struct mp_thread_sums){.calls_since_ns = (int64_t)s->calls_since_ns,
	    .alloc_ns = (int64_t)s->alloc_ns,
	    .alloc_calls = (int64_t)s->alloc_calls,
	    .fault_ns = b->sees & MP_SEES(MINOR_FAULT) ? (int64_t)s->fault_ns : -1,
	    .off_cpu_ns = b->sees & MP_SEES(OFF_CPU) ? (int64_t)s->off_cpu_ns : -1};
}

/* The probes' own floor is out of the duration, and not out of its parts: one that fills all of it may not be
 * longer. */
static int64_t at_most(int64_t part_ns, int64_t dur_ns)
{
	return part_ns < dur_ns ? part_ns : dur_ns;
}

static int handle_span(struct mp_bpf_rings *b, const struct mp_bpf_span *r)
{
	if (!b->spans || r->span >= b->spans->n)
		return 0;
	const struct mp_span_function *f = &b->spans->functions[r->span];
	uint64_t floor_ns = b->control->floor_ns[f->is_stepped];
	struct mp_span_event e = {.tid = (pid_t)r->tid,
	    .t_ns = (int64_t)r->t_ns,
	    .dur_ns = (int64_t)(r->dur_ns > floor_ns ? r->dur_ns - floor_ns : 0),
	    .name = f->name,
	    .spent = sums_of(b, &r->spent)};

	e.spent.fault_ns = at_most(e.spent.fault_ns, e.dur_ns);
	e.spent.off_cpu_ns = at_most(e.spent.off_cpu_ns, e.dur_ns);
	b->span_calls[r->span]++;
	mp_pipeline_span(b->pipeline, &e);
	return next_row(b);
}

static int handle_marker(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;
	const struct mp_bpf_marker *r = data;

	if (!b->pipeline || size < sizeof(struct mp_bpf_span))
		return 0;
	if (r->kind == MP_BPF_SPAN)
		return handle_span(b, data);
	if (size < sizeof(*r))
		return 0;
	char name[MP_MARKER_NAME_BYTES + 1] = ""; /* what is copied from the target need not be terminated */
	memcpy(name, r->name, MP_MARKER_NAME_BYTES);
	struct mp_marker_event e = {
	    .tid = (pid_t)r->tid,
	    .t_ns = (int64_t)r->t_ns,
	    .kind = r->kind,
	    .name = name[0] ? name : NULL,
	    .a = r->a,
	    .sums = sums_of(b, &r->sums),
	};
	mp_pipeline_marker(b->pipeline, &e);
	return next_row(b);
}

static int handle_pool(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;

	if (!b->pipeline)
		return 0;
	mp_bpf_pools_take(b->pipeline, b->pools, data, size);
	return next_row(b);
}

static int handle_gc(void *ctx, void *data, size_t size)
{
	struct mp_bpf_rings *b = ctx;

	if (!b->pipeline)
		return 0;
	mp_bpf_gc_take(b->pipeline, b->gc, data, size);
	return next_row(b);
}

int mp_bpf_rings_open(struct mp_bpf_rings *b, struct bpf_object *object, struct mp_err *err)
{
	static const struct {
		const char *map;
		ring_buffer_sample_fn handle;
	} rings[MP_BPF_RINGS] = {{"call_rows", handle_call}, {"kernel_rows", handle_kernel},
	    {"marker_rows", handle_marker}, {"tracked_calls", handle_tracked}, {"pool_rows", handle_pool},
	    {"gc_rows", handle_gc}};

	b->scopes.names_fd = bpf_object__find_map_fd_by_name(object, "scope_names");
	b->scopes.gauges_fd = bpf_object__find_map_fd_by_name(object, "gauges");
	b->fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->fd < 0)
		return mp_err_set(err, errno, "cannot open an epoll descriptor: %s", strerror(errno));
	for (size_t i = 0; i < MP_BPF_RINGS; i++) {
		struct epoll_event readable = {.events = EPOLLIN};
		b->ring[i] = ring_buffer__new(
		    bpf_object__find_map_fd_by_name(object, rings[i].map), rings[i].handle, b, NULL);
		if (!b->ring[i] ||
		    epoll_ctl(b->fd, EPOLL_CTL_ADD, ring_buffer__epoll_fd(b->ring[i]), &readable) < 0)
			return mp_err_set(err, errno, "cannot map the BPF ring buffers: %s", strerror(errno));
	}
	return 0;
}

void mp_bpf_rings_close(struct mp_bpf_rings *b)
{
	for (size_t i = 0; i < MP_BPF_RINGS; i++)
		ring_buffer__free(b->ring[i]);
	if (b->fd >= 0)
		close(b->fd);
}

bool mp_bpf_rings_read(struct mp_bpf_rings *b, struct mp_pipeline *p)
{
	bool has_more = false;

	b->pipeline = p;
	for (size_t i = 0; i < MP_BPF_RINGS; i++) {
		b->rows_left = TURN_ROWS;
		has_more |= ring_buffer__consume(b->ring[i]) == -EAGAIN;
	}
	b->pipeline = NULL;
	return has_more;
}
