/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sampler/cause.h"
#include "sampler/recorder/gc.h"
#include "sampler/recorder/pools.h"
#include "sampler/recorder/private.h"
#include "store/append.h"

static int store_clock(struct mp_recorder *r, struct mp_err *err)
{
	struct timespec before, real, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &after);
	int64_t mono = (before.tv_sec + after.tv_sec) * NS_PER_S / 2 + (before.tv_nsec + after.tv_nsec) / 2;
	return mp_append_clock(r->session, mono, real.tv_sec * NS_PER_S + real.tv_nsec, err);
}

static int store_counter(struct mp_recorder *r, const char *name, uint64_t value, struct mp_err *err)
{
	return value ? mp_append_counter(r->session, r->slot_ns, name, (int64_t)value, err) : 0;
}

/* Of one event. What begins and ends, each told by a program, is taken to be half as dear as a switch: that
 * has a program more, and keeps more. A sleep in a system call is paid for with the time off the CPU. */
static uint64_t kernel_event_cost_ns(const struct mp_kernel_cost *cost, enum mp_kernel_kind kind)
{
	switch (kind) {
	case MP_KERNEL_MINOR_FAULT:
	case MP_KERNEL_MAJOR_FAULT:
	case MP_KERNEL_THP:
		return cost->fault_ns;
	case MP_KERNEL_OFF_CPU:
		return cost->switch_ns;
	case MP_KERNEL_IRQ:
	case MP_KERNEL_SOFTIRQ:
	case MP_KERNEL_MMAP_LOCK:
		return cost->switch_ns / 2;
	default:
		return cost->syscall_ns;
	}
}

/* What the kernel's events took of the target, in ns of CPU time. */
static uint64_t kernel_cost_ns(const struct mp_recorder *r, const struct mp_uprobe_stats *s, uint64_t *events)
{
	struct mp_kernel_cost cost = mp_uprobe_kernel_cost(r->uprobe);
	uint64_t cost_ns = 0;

	*events = 0;
	for (unsigned int kind = 0; kind < MP_KERNEL_KINDS; kind++) {
		*events += s->kernel_events[kind];
		cost_ns += s->kernel_events[kind] * kernel_event_cost_ns(&cost, kind);
	}
	return cost_ns;
}

static uint64_t span_cost_ns(const struct mp_recorder *r, uint64_t *calls)
{
	uint64_t cost_ns = 0;

	*calls = 0;
	for (size_t i = 0; i < r->spans.n; i++) {
		uint64_t n = mp_uprobe_span_calls(r->uprobe, i);
		*calls += n;
		cost_ns += n * mp_uprobe_span_cost_ns(r->uprobe, &r->spans.functions[i]);
	}
	return cost_ns;
}

static uint64_t marker_cost_ns(const struct mp_recorder *r, const struct mp_uprobe_stats *s)
{
	return s->marker_hits * mp_uprobe_marker_cost_ns(r->uprobe);
}

uint64_t mp_recorder_other_cost_ns(struct mp_recorder *r)
{
	struct mp_uprobe_stats stats;
	uint64_t n;

	mp_uprobe_stats(r->uprobe, &stats);
	return kernel_cost_ns(r, &stats, &n) + marker_cost_ns(r, &stats) + span_cost_ns(r, &n) +
	       mp_recorder_pool_cost_ns(r, &n) + mp_recorder_gc_cost_ns(r, &n);
}

int mp_recorder_append_overhead(struct mp_recorder *r, const struct mp_overhead_row *row, struct mp_err *err)
{
	bool is_asked_for = !strcmp(row->plane, "preload") || (!strcmp(row->plane, "uprobe") && !r->switcher);

	if (strcmp(row->plane, "recorder") != 0) {
		r->cost_ns += row->cost_ns;
		r->budgeted_cost_ns += is_asked_for ? 0 : row->cost_ns;
	}
	return mp_append_overhead(r->session, row, err);
}

/*
 * What is never switched off may cost more than the budget, if it is called more often than its user thought:
 * then he hears of it while the target still pays. Once two seconds in a row were over it by half, for the
 * look at the start is a short one.
 */
#define OVER_BUDGET      1.5
#define OVER_BUDGET_NS   (2 * NS_PER_S)
#define ABOUT_A_SLOT(ns) ((ns) > NS_PER_S / 2)

static void warn_of_cost(struct mp_recorder *r, int64_t slot_ns)
{
	double cost = (double)(r->budgeted_cost_ns - r->slot_budgeted_cost_ns) / (double)(slot_ns + 1);

	r->slot_budgeted_cost_ns = r->budgeted_cost_ns;
	r->over_budget_ns =
	    ABOUT_A_SLOT(slot_ns) && cost > OVER_BUDGET * r->o->budget ? r->over_budget_ns + slot_ns : 0;
	if (r->told_cost || r->over_budget_ns < OVER_BUDGET_NS - NS_PER_S / 10)
		return;
	r->told_cost = true;
	fprintf(stderr,
	    "mpsample: the probes cost the target %.3g %% of a core now, and the budget is %.3g %%: %s\n",
	    cost * 100, r->o->budget * 100,
	    r->o->probe == MP_PROBE_SLOW && !r->spans.n && !r->pools.set.n
		? "--probe slow is not kept within it, --probe auto is"
		: "markers, and functions of --spans and --pools, are never switched off: choose some that "
		  "are met less often");
}

static int store_kernel_overhead(struct mp_recorder *r, const struct mp_uprobe_stats *now,
    const struct mp_uprobe_stats *last, struct mp_err *err)
{
	uint64_t events, events_before, cost = kernel_cost_ns(r, now, &events),
					before = kernel_cost_ns(r, last, &events_before);
	const struct mp_overhead_row row = {.slot_ns = r->slot_ns,
	    .plane = "perf",
	    .events = events - events_before,
	    .cost_ns = cost - before};

	return row.cost_ns ? mp_recorder_append_overhead(r, &row, err) : 0;
}

static int store_marker_overhead(struct mp_recorder *r, const struct mp_uprobe_stats *now,
    const struct mp_uprobe_stats *last, struct mp_err *err)
{
	const struct mp_overhead_row row = {.slot_ns = r->slot_ns,
	    .plane = "markers",
	    .events = now->marker_hits - last->marker_hits,
	    .cost_ns = marker_cost_ns(r, now) - marker_cost_ns(r, last)};

	return row.events ? mp_recorder_append_overhead(r, &row, err) : 0;
}

static int store_uprobe_stats(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_uprobe_stats s, *last = &r->slot_stats;
	int ret = 0;

	if (!r->uprobe)
		return 0;
	mp_uprobe_stats(r->uprobe, &s);
	for (int k = 0; !ret && k < MP_KERNEL_KINDS; k++)
		ret = store_counter(
		    r, mp_kernel_kind_name(k), s.kernel_events[k] - last->kernel_events[k], err);
	if (!ret)
		ret =
		    store_counter(r, "kernel_events_not_kept", s.kernel_thinned - last->kernel_thinned, err);
	if (!ret)
		ret = store_counter(r, "nested_calls", s.nested - last->nested, err);
	if (!ret)
		ret = store_counter(r, "gauge_sets", s.gauge_sets - last->gauge_sets, err);
	if (!ret)
		ret = store_counter(r, "component_end_without_begin", s.scope_ends - last->scope_ends, err);
	mp_pipeline_loss(r->pipeline, now, "components inside too many others", "events",
	    s.scopes_deep - last->scopes_deep);
	mp_pipeline_loss(r->pipeline, now, "names of components, of too many", "events",
	    s.scopes_lost - last->scopes_lost);
	mp_pipeline_loss(
	    r->pipeline, now, "gauges, of too many", "events", s.gauges_lost - last->gauges_lost);

	bool by_ring = mp_uprobe_backend(r->uprobe) == MP_BACKEND_TRACEFS;
	mp_pipeline_loss(r->pipeline, now, by_ring ? "perf ring" : "thread state", "calls",
	    s.calls_lost - last->calls_lost);
	mp_pipeline_loss(r->pipeline, now, "no return seen", "calls", s.unpaired - last->unpaired);
	mp_pipeline_loss(r->pipeline, now, "call ring", "rows", s.rows_lost - last->rows_lost);
	mp_pipeline_loss(
	    r->pipeline, now, "kernel event ring", "events", s.kernel_rows_lost - last->kernel_rows_lost);
	mp_pipeline_loss(
	    r->pipeline, now, "tracked call ring", "events", s.tracked_lost - last->tracked_lost);
	mp_pipeline_loss(
	    r->pipeline, now, "spans that did not return", "events", s.spans_left - last->spans_left);
	mp_pipeline_loss(r->pipeline, now, "ring of collections", "events", s.gc_lost - last->gc_lost);
	mp_pipeline_loss(r->pipeline, now, "classes of what was given out", "events",
	    s.gc_classes_lost - last->gc_classes_lost);
	mp_pipeline_loss(r->pipeline, now, "pool functions that did not return", "events",
	    s.pools_left - last->pools_left);
	mp_pipeline_loss(r->pipeline, now, "chains of objects that were not read to their end", "events",
	    s.pool_chains_cut - last->pool_chains_cut);
	mp_pipeline_loss(
	    r->pipeline, now, "spans inside too many others", "events", s.spans_deep - last->spans_deep);
	if (!ret)
		ret = store_kernel_overhead(r, &s, last, err);
	if (!ret)
		ret = store_marker_overhead(r, &s, last, err);
	*last = s;
	return ret;
}

static int store_preload_stats(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_preload_stats s, *last = &r->slot_preload;

	if (!r->preload)
		return 0;
	mp_preload_stats(r->preload, &s);
	mp_pipeline_loss(r->pipeline, now, "preload ring", "rows", s.rows_lost - last->rows_lost);
	mp_pipeline_loss(r->pipeline, now, "preload stacks", "events", s.stacks_lost - last->stacks_lost);
	mp_pipeline_loss(r->pipeline, now, "preload markers", "events", s.markers_lost - last->markers_lost);
	mp_pipeline_loss(r->pipeline, now, "in a signal handler", "calls", s.reentered - last->reentered);
	mp_pipeline_loss(
	    r->pipeline, now, "threads without a slot", "calls", s.without_slot - last->without_slot);
	mp_pipeline_loss(r->pipeline, now, "blocks to be followed, without room", "events",
	    s.track_lost - last->track_lost);
	mp_pipeline_loss(r->pipeline, now, "components inside too many others", "events",
	    s.scopes_deep - last->scopes_deep);
	int ret = store_counter(r, "nested_calls", s.nested - last->nested, err);
	if (!ret)
		ret = store_counter(r, "gauge_sets", s.gauge_sets - last->gauge_sets, err);
	if (!ret)
		ret = store_counter(r, "component_end_without_begin", s.scope_ends - last->scope_ends, err);
	*last = s;
	return ret;
}

/* What the probes of an operation cost: of several the dearest is assumed. */
static uint64_t cost_of(const struct mp_recorder *r, unsigned int op)
{
	bool is_stepped = false;

	if (r->preload)
		return mp_preload_cost_ns(r->preload);
	for (size_t i = 0; i < r->probes.n; i++)
		is_stepped |= r->probes.probes[i].op == op && r->probes.probes[i].is_stepped;
	return mp_uprobe_floor(r->uprobe)->cost_ns[is_stepped];
}

/* How much of the recording every call was watched, as often as it changes: it may be killed. */
static int store_duty(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_switcher_totals t;

	mp_switcher_totals(r->switcher, now, &t);
	double duty = now > r->start_ns ? (double)t.watched_ns / (double)(now - r->start_ns) : 1;
	if (duty > 0.9999)
		duty = 1;
	if (duty == r->duty)
		return 0;
	r->duty = duty;
	return duty == 1 ? mp_session_set(r->session, err, "duty", "1.0")
			 : mp_session_set(r->session, err, "duty", "%.6g", duty);
}

static int store_switched_overhead(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_switcher_slot slot;

	mp_switcher_take_slot(r->switcher, r->latency, now, &slot);
	const struct mp_overhead_row row = {.slot_ns = r->slot_ns,
	    .plane = "uprobe",
	    .events = slot.events,
	    .cost_ns = slot.cost_ns,
	    .mode = slot.mode,
	    .watched_ns = slot.watched_ns,
	    .windows = slot.windows,
	    .cpu_ns = slot.cpu_ns,
	    .watched_cpu_ns = slot.watched_cpu_ns,
	    .spans = slot.spans,
	    .watched_spans = slot.watched_spans,
	    .window_cost_ns = slot.window_cost_ns};
	int ret = mp_recorder_append_overhead(r, &row, err);
	return ret ? ret : store_duty(r, now, err);
}

static int store_overhead(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_overhead_row row = {.slot_ns = r->slot_ns,
	    .plane = r->preload ? "preload" : "uprobe",
	    .mode = "all",
	    .watched_ns = now - r->slot_ns};

	if (r->switcher)
		return store_switched_overhead(r, now, err);
	for (unsigned int op = 0; op < MP_OP_COUNT; op++) {
		uint64_t calls = mp_latency_calls(r->latency, op), more = calls - r->slot_calls[op];
		row.events += more;
		row.cost_ns += more ? more * cost_of(r, op) : 0;
		r->slot_calls[op] = calls;
	}
	row.window_cost_ns = row.cost_ns;
	return mp_recorder_append_overhead(r, &row, err);
}

static int store_span_overhead(struct mp_recorder *r, struct mp_err *err)
{
	uint64_t calls, cost_ns = r->spans.n ? span_cost_ns(r, &calls) : 0;
	struct mp_overhead_row row = {.slot_ns = r->slot_ns, .plane = "spans"};

	if (!r->spans.n || calls == r->slot_spans)
		return 0;
	row.events = calls - r->slot_spans;
	row.cost_ns = cost_ns - r->slot_span_cost_ns;
	r->slot_spans = calls;
	r->slot_span_cost_ns = cost_ns;
	return mp_recorder_append_overhead(r, &row, err);
}

static int store_heap_looks(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_heap_looks looks = {0};

	if (r->heaps)
		looks = mp_heap_watch_looks(r->heaps);
	int ret = store_counter(r, "heap_looks", looks.looks, err);
	if (!ret)
		ret = store_counter(r, "heap_looks_torn", looks.torn, err);
	return ret ? ret : store_counter(r, "heap_looks_cpu_ns", looks.cpu_ns, err);
}

static int64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* What this process takes itself, for the calls of the slot. */
static int store_own_cost(struct mp_recorder *r, struct mp_err *err)
{
	uint64_t calls = mp_latency_calls_all(r->latency);
	int64_t cpu_ns = own_cpu_ns();
	const struct mp_overhead_row row = {.slot_ns = r->slot_ns,
	    .plane = "recorder",
	    .events = calls - r->slot_all_calls,
	    .cost_ns = (uint64_t)(cpu_ns - r->slot_own_cpu_ns)};

	r->slot_all_calls = calls;
	r->slot_own_cpu_ns = cpu_ns;
	return mp_recorder_append_overhead(r, &row, err);
}

void mp_recorder_begin_slots(struct mp_recorder *r)
{
	r->slot_own_cpu_ns = own_cpu_ns();
}

int mp_recorder_step_gauges(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	int ret = mp_gauges_step(&r->gauges, &r->target, r->session, now, err);

	if (r->preload)
		mp_preload_gauges(r->preload, r->pipeline);
	else
		mp_uprobe_gauges(r->uprobe, r->pipeline);
	return ret ? ret : mp_pipeline_gauges(r->pipeline, &r->gauges, now, err);
}

int mp_recorder_end_slot(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	int ret = mp_latency_flush(r->latency, r->session, r->slot_ns, err);

	if (!ret)
		ret = store_clock(r, err);
	if (!ret)
		ret = store_uprobe_stats(r, now, err);
	if (!ret)
		ret = store_preload_stats(r, now, err);
	if (!ret)
		ret = store_overhead(r, now, err);
	if (!ret)
		ret = store_span_overhead(r, err);
	if (!ret)
		ret = mp_recorder_store_pool_overhead(r, err);
	if (!ret)
		ret = mp_recorder_store_gc_overhead(r, err);
	if (!ret)
		ret = mp_recorder_store_gc_classes(r, err);
	if (!ret)
		ret = store_heap_looks(r, err);
	if (!ret)
		ret = store_own_cost(r, err);
	if (!ret && r->perf)
		ret = mp_perf_plane_slot(r->perf, r->session, r->pipeline, r->slot_ns, now, err);
	if (!ret)
		ret = mp_pressure_step(r->pressure, r->session, now, err);
	if (!ret)
		ret = mp_recorder_step_gauges(r, now, err);
	if (!ret)
		ret = mp_recorder_store_blocks(r, now, err);
	if (!ret)
		ret = mp_append_slot(r->session, r->slot_ns, now - r->slot_ns, err);
	if (!ret)
		ret = mp_pipeline_commit(r->pipeline, now, err);
	warn_of_cost(r, now - r->slot_ns);
	mp_latency_fade(r->latency);
	r->slot_ns = now;
	return ret;
}
