/* SPDX-License-Identifier: MIT */
#include "sampler/switcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Calls that are under way when a window closes are waited for: in steps, so long at most. */
#define GRACE_STEP_NS 500000
#define GRACE_QUIET   2
#define GRACE_STEPS   10

struct mp_switcher {
	struct mp_uprobe *u;
	const struct mp_target *target;
	struct mp_governor governor;
	struct mp_slow_probes slow;
	struct mp_probe *buffer; /* what is attached next */
	size_t room;
	bool window_in, slow_in, slow_began;
	unsigned int not_told; /* 1 << enum mp_op: whose fast path cannot be told apart */
	clockid_t cpu;         /* of the target */
	int64_t last_cpu_ns;
	int64_t since_ns;                     /* every call is counted since then; < 0: not every call */
	int64_t watched_ns;                   /* before */
	int64_t since_cpu_ns, watched_cpu_ns; /* likewise: CPU time of the target */
	uint64_t since_spans, watched_spans;  /* likewise: spans that ended */
	uint64_t windows;
	uint64_t window_cost_ns, slow_cost_ns;            /* so far */
	uint64_t events;                                  /* likewise: hits */
	bool is_stepped[MP_OP_COUNT];                     /* a probe of the operation is */
	uint64_t slow_hits[MP_BPF_SLOW_FUNCTIONS];        /* when they began, or were dear last */
	uint64_t slow_base[MP_BPF_SLOW_FUNCTIONS];        /* of functions that had these numbers before, */
	uint64_t slow_cost_before_ns, slow_events_before; /* which came to this */

	/* At the last slot. */
	int64_t slot_ns, slot_watched_ns, slot_cpu_ns, slot_watched_cpu_ns;
	uint64_t slot_spans, slot_watched_spans;
	uint64_t slot_windows, slot_cost_ns, slot_events, slot_window_cost_ns;
	bool slot_had_slow;
};

static int64_t now_ns_(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The CPU time of the target; as last seen when it is gone. */
static int64_t cpu_ns(struct mp_switcher *s)
{
	struct timespec t;

	if (!clock_gettime(s->cpu, &t))
		s->last_cpu_ns = t.tv_sec * 1000000000LL + t.tv_nsec;
	return s->last_cpu_ns;
}

static uint64_t spans(const struct mp_switcher *s)
{
	struct mp_uprobe_stats stats;

	mp_uprobe_stats(s->u, &stats);
	return stats.spans_ended;
}

static uint64_t slow_events(const struct mp_switcher *s)
{
	uint64_t events = 0;

	for (size_t i = 0; i < s->slow.n; i++)
		events += mp_uprobe_slow_hits(s->u, i) - s->slow_base[i];
	return events;
}

/* What the probes have taken so far, as calibrated. */
static void add_up(struct mp_switcher *s, struct mp_latency *latency)
{
	const struct mp_floor *f = mp_uprobe_floor(s->u);
	uint64_t skipped[MP_SKIPPING_GROUPS][2];

	mp_latency_poll(latency, false);
	s->window_cost_ns = s->events = 0;
	for (unsigned int group = 0; group < MP_SKIPPING_GROUPS; group++)
		mp_uprobe_skipped(s->u, (enum mp_probe_group)group, skipped[group]);
	for (unsigned int op = 0; op < MP_OP_COUNT; op++) {
		uint64_t calls = mp_latency_calls(latency, op);
		s->window_cost_ns += calls * f->cost_ns[s->is_stepped[op]];
		s->events += calls;
	}
	for (int k = 0; k < 2; k++) {
		s->window_cost_ns += skipped[MP_PROBES_WINDOW][k] * f->skip_cost_ns[k];
		s->events += skipped[MP_PROBES_WINDOW][k];
	}
	s->slow_cost_ns = s->slow_cost_before_ns;
	s->events += s->slow_events_before + slow_events(s);
	for (size_t i = 0; i < s->slow.n; i++) {
		uint64_t hits = mp_uprobe_slow_hits(s->u, i) - s->slow_base[i];
		s->slow_cost_ns += hits * f->cost_ns[s->slow.probes[i].is_stepped];
	}
}

static void sleep_ns(long ns)
{
	const struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

bool mp_switcher_is_switched(const struct mp_probe *p)
{
	return !p->marker && p->op < MP_OP_COUNT;
}

static unsigned int ops_of(const struct mp_probe_set *family)
{
	unsigned int ops = 0;

	for (size_t i = 0; i < family->n; i++)
		if (mp_switcher_is_switched(&family->probes[i]))
			ops |= 1u << family->probes[i].op;
	return ops;
}

/* With MP_PROBE_SLOW windows are for operations without a slow path of their own. */
static unsigned int window_ops(const struct mp_switcher *s)
{
	return s->governor.o.mode == MP_PROBE_SLOW ? s->not_told : ~0u;
}

static void note_stepped(struct mp_switcher *s, const struct mp_probe_set *family)
{
	for (size_t i = 0; i < family->n; i++)
		if (mp_switcher_is_switched(&family->probes[i]))
			s->is_stepped[family->probes[i].op] |= family->probes[i].is_stepped;
}

int mp_switcher_new(const struct mp_switcher_options *o, const struct mp_target *target,
    const struct mp_probe_set *family, struct mp_switcher **out, struct mp_err *err)
{
	struct mp_switcher *s = calloc(1, sizeof(*s));
	bool wants_slow = o->mode == MP_PROBE_AUTO || o->mode == MP_PROBE_SLOW;
	int ret = 0;

	if (!s)
		return mp_err_set(err, ENOMEM, "out of memory");
	s->u = o->uprobe;
	s->target = target;
	if (clock_getcpuclockid(target->pid, &s->cpu))
		s->cpu = -1; /* it has just ended: no clock */
	s->since_ns = -1;
	note_stepped(s, family);
	if (wants_slow)
		ret = mp_slow_probes_find(target, family, &s->slow, err);
	if (ret) {
		mp_switcher_free(s);
		return ret;
	}
	s->not_told = ops_of(family) & ~s->slow.ops_told;
	const struct mp_governor_options g = {.mode = o->mode,
	    .budget = o->budget,
	    .has_slow = s->slow.n,
	    .wants_window = s->not_told,
	    .seed = (uint64_t)now_ns_()};
	mp_governor_start(&s->governor, &g);
	*out = s;
	return 0;
}

void mp_switcher_free(struct mp_switcher *s)
{
	if (!s)
		return;
	mp_slow_probes_free(&s->slow);
	free(s->buffer);
	free(s);
}

/* ---- In and out ---- */

static struct mp_probe *buffer_for(struct mp_switcher *s, size_t n)
{
	if (n > s->room) {
		struct mp_probe *more = reallocarray(s->buffer, n, sizeof(*more));
		if (!more)
			return NULL;
		s->buffer = more;
		s->room = n;
	}
	return s->buffer;
}

/* A library may have been unloaded, or the program be another one by now. */
static bool is_mapped(const struct mp_target *t, const struct mp_probe *p)
{
	return mp_target_module_of(t, p->inode, p->dev_major, p->dev_minor);
}

static int attach_window(struct mp_switcher *s, const struct mp_probe_set *family, size_t from,
    unsigned int ops, struct mp_err *err)
{
	struct mp_probe *probes = buffer_for(s, family->n);
	size_t n = 0;

	if (!probes)
		return mp_err_set(err, ENOMEM, "out of memory");
	for (size_t i = from; i < family->n; i++)
		if (mp_switcher_is_switched(&family->probes[i]) && ops >> family->probes[i].op & 1 &&
		    is_mapped(s->target, &family->probes[i]))
			probes[n++] = family->probes[i];
	int ret = n ? mp_uprobe_attach(s->u, MP_PROBES_WINDOW, probes, n, err) : 0;
	s->window_in |= !ret;
	return ret;
}

static int attach_slow(struct mp_switcher *s, struct mp_err *err)
{
	struct mp_probe *probes = buffer_for(s, s->slow.n);
	size_t n = 0;

	if (!probes)
		return mp_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->slow.n; i++)
		if (!s->slow.is_dropped[i] && is_mapped(s->target, &s->slow.probes[i]))
			probes[n++] = s->slow.probes[i];
	mp_uprobe_slow_callers(s->u, s->slow.callers, s->slow.n_callers);
	int ret = n ? mp_uprobe_attach(s->u, MP_PROBES_SLOW, probes, n, err) : 0;
	s->slow_in = s->slow_began = !ret;
	mp_uprobe_slow_open(s->u, s->slow_in);
	return ret;
}

int mp_switcher_attach(struct mp_switcher *s, const struct mp_probe_set *family, struct mp_err *err)
{
	int ret = s->governor.state.window ? attach_window(s, family, 0, window_ops(s), err) : 0;

	if (!ret && s->governor.state.slow)
		ret = attach_slow(s, err);
	return ret;
}

static void open_window(struct mp_switcher *s, int64_t now_ns)
{
	s->since_ns = now_ns;
	s->since_cpu_ns = cpu_ns(s);
	s->since_spans = spans(s);
	s->windows++;
	mp_uprobe_window(s->u, true, s->governor.o.mode == MP_PROBE_SLOW ? -1 : now_ns);
}

void mp_switcher_begin(
    struct mp_switcher *s, struct mp_latency *latency, int64_t now_ns, uint64_t other_cost_ns)
{
	add_up(s, latency);
	mp_governor_begin(&s->governor, now_ns, s->window_cost_ns, s->slow_cost_ns, other_cost_ns);
	s->slot_ns = now_ns;
	s->slot_cpu_ns = cpu_ns(s);
	s->slot_spans = spans(s);
	if (s->governor.state.window)
		open_window(s, now_ns);
	else
		mp_uprobe_window(s->u, false, -1);
}

static uint64_t counted(const struct mp_latency *latency)
{
	uint64_t calls = 0;

	for (unsigned int row = 0; row < MP_OP_ROWS; row++)
		calls += mp_latency_calls(latency, mp_op_of_row(row));
	return calls;
}

/* Calls that have begun are waited for, until no more return. */
static void wait_for_calls(struct mp_latency *latency)
{
	for (int i = 0, quiet = 0; i < GRACE_STEPS && quiet < GRACE_QUIET; i++) {
		uint64_t before = counted(latency);
		sleep_ns(GRACE_STEP_NS);
		mp_latency_poll(latency, false);
		quiet = counted(latency) == before ? quiet + 1 : 0;
	}
}

static void detach_slow(struct mp_switcher *s, struct mp_latency *latency)
{
	mp_uprobe_slow_open(s->u, false);
	wait_for_calls(latency);
	mp_uprobe_detach_group(s->u, MP_PROBES_SLOW);
	s->slow_in = false;
}

static void close_window(struct mp_switcher *s, struct mp_latency *latency)
{
	mp_uprobe_window(s->u, false, -1);
	s->watched_ns += now_ns_() - s->since_ns;
	s->watched_cpu_ns += cpu_ns(s) - s->since_cpu_ns;
	s->watched_spans += spans(s) - s->since_spans;
	s->since_ns = -1;
	wait_for_calls(latency);
	mp_uprobe_detach_group(s->u, MP_PROBES_WINDOW);
	s->window_in = false;
}

/* ---- Slow functions that are too dear ---- */

static void note_hits(struct mp_switcher *s)
{
	for (size_t i = 0; i < MP_BPF_SLOW_FUNCTIONS; i++)
		s->slow_hits[i] = mp_uprobe_slow_hits(s->u, i);
}

static void rethink(struct mp_switcher *s)
{
	size_t left = 0;

	for (size_t i = 0; i < s->slow.n; i++)
		left += !s->slow.is_dropped[i];
	mp_governor_rethink(&s->governor, left, s->not_told);
}

static int put_slow_anew(struct mp_switcher *s, struct mp_latency *latency, struct mp_err *err)
{
	detach_slow(s, latency);
	rethink(s);
	return attach_slow(s, err);
}

/* The one that is hit most goes: what it calls in turn may be rarer. */
static int make_slow_cheaper(struct mp_switcher *s, struct mp_latency *latency, struct mp_err *err)
{
	size_t most = s->slow.n;
	uint64_t most_hits = 0;

	for (size_t i = 0; i < s->slow.n; i++) {
		uint64_t hits = mp_uprobe_slow_hits(s->u, i) - s->slow_hits[i];
		if (s->slow.is_dropped[i] || hits <= most_hits)
			continue;
		most = i;
		most_hits = hits;
	}
	if (most == s->slow.n)
		return 0;
	mp_slow_probes_deeper(&s->slow, most, (unsigned int)__builtin_ctz(s->slow.ops[most]));
	note_hits(s);
	return put_slow_anew(s, latency, err);
}

/* ---- Time goes on ---- */

static int follow_window(
    struct mp_switcher *s, const struct mp_probe_set *family, struct mp_latency *latency, struct mp_err *err)
{
	bool want = s->governor.state.window;

	if (want == s->window_in)
		return 0;
	if (!want) {
		close_window(s, latency);
		return 0;
	}
	int ret = attach_window(s, family, 0, window_ops(s), err);
	if (ret)
		mp_governor_refused(&s->governor, now_ns_());
	else
		open_window(s, now_ns_());
	return ret;
}

int mp_switcher_step(struct mp_switcher *s, const struct mp_probe_set *family, struct mp_latency *latency,
    int64_t now_ns, uint64_t other_cost_ns, struct mp_err *err)
{
	add_up(s, latency);
	const struct mp_governor_state *state =
	    mp_governor_step(&s->governor, now_ns, s->window_cost_ns, s->slow_cost_ns, other_cost_ns);
	int ret = 0;

	if (state->slow_is_dear)
		ret = make_slow_cheaper(s, latency, err);
	if (!ret)
		ret = follow_window(s, family, latency, err);
	if (!ret && s->governor.state.slow && !s->slow_in) {
		note_hits(s);
		ret = attach_slow(s, err);
		if (ret) /* until there is new code to look at */
			mp_governor_rethink(&s->governor, false, s->not_told);
	}
	if (s->slow_in && !s->governor.state.slow)
		detach_slow(s, latency);
	return ret;
}

int mp_switcher_grow(struct mp_switcher *s, const struct mp_probe_set *family, size_t from,
    struct mp_latency *latency, struct mp_err *err)
{
	bool wants_slow = s->governor.o.mode == MP_PROBE_AUTO || s->governor.o.mode == MP_PROBE_SLOW;
	int ret = 0;

	note_stepped(s, family);
	/* What was dropped comes again: the numbers are others. */
	if (wants_slow) {
		bool was_in = s->slow_in;
		if (was_in)
			detach_slow(s, latency);
		add_up(s, latency);
		s->slow_cost_before_ns = s->slow_cost_ns;
		s->slow_events_before = slow_events(s) + s->slow_events_before;
		mp_slow_probes_free(&s->slow);
		ret = mp_slow_probes_find(s->target, family, &s->slow, err);
		note_hits(s);
		memcpy(s->slow_base, s->slow_hits, sizeof(s->slow_base));
		s->not_told = ops_of(family) & ~s->slow.ops_told;
		rethink(s);
		if (!ret && was_in)
			ret = attach_slow(s, err);
	}
	return ret || !s->window_in ? ret : attach_window(s, family, from, window_ops(s), err);
}

int64_t mp_switcher_pause_ns(const struct mp_switcher *s)
{
	return mp_governor_pause_ns(&s->governor);
}

int64_t mp_switcher_since_ns(const struct mp_switcher *s)
{
	return s->since_ns;
}

/* ---- What was done ---- */

static int64_t watched_ns(const struct mp_switcher *s, int64_t now_ns)
{
	return s->watched_ns + (s->since_ns >= 0 && now_ns > s->since_ns ? now_ns - s->since_ns : 0);
}

static const char *mode_of(int64_t watched, int64_t slot, bool had_slow)
{
	if (watched >= slot)
		return "all";
	if (had_slow)
		return watched ? "slow+burst" : "slow";
	return "burst";
}

void mp_switcher_take_slot(
    struct mp_switcher *s, struct mp_latency *latency, int64_t now_ns, struct mp_switcher_slot *out)
{
	add_up(s, latency);
	uint64_t window_cost = s->window_cost_ns, cost = window_cost + s->slow_cost_ns, events = s->events;
	int64_t watched = watched_ns(s, now_ns), slot = now_ns - s->slot_ns;

	*out = (struct mp_switcher_slot){.watched_ns = watched - s->slot_watched_ns,
	    .windows = (unsigned int)(s->windows - s->slot_windows),
	    .events = events - s->slot_events,
	    .cost_ns = cost - s->slot_cost_ns,
	    .window_cost_ns = window_cost - s->slot_window_cost_ns};
	if (out->watched_ns > slot)
		out->watched_ns = slot;
	if (out->watched_ns < 0) /* of a window that has begun since: a slot may end before it is looked at */
		out->watched_ns = 0;
	int64_t cpu = cpu_ns(s),
		watched_cpu = s->watched_cpu_ns + (s->since_ns >= 0 ? cpu - s->since_cpu_ns : 0);
	out->cpu_ns = cpu - s->slot_cpu_ns;
	out->watched_cpu_ns = watched_cpu - s->slot_watched_cpu_ns;
	s->slot_cpu_ns = cpu;
	uint64_t ended = spans(s),
		 watched_ended = s->watched_spans + (s->since_ns >= 0 ? ended - s->since_spans : 0);
	out->spans = ended - s->slot_spans;
	out->watched_spans = watched_ended - s->slot_watched_spans;
	s->slot_spans = ended;
	s->slot_watched_spans = watched_ended;
	s->slot_watched_cpu_ns = watched_cpu;
	out->mode = mode_of(out->watched_ns, slot, s->slow_in || s->slot_had_slow);
	s->slot_ns = now_ns;
	s->slot_watched_ns = watched;
	s->slot_windows = s->windows;
	s->slot_cost_ns = cost;
	s->slot_window_cost_ns = window_cost;
	s->slot_events = events;
	s->slot_had_slow = s->slow_in;
}

void mp_switcher_totals(const struct mp_switcher *s, int64_t now_ns, struct mp_switcher_totals *out)
{
	*out = (struct mp_switcher_totals){
	    .watched_ns = watched_ns(s, now_ns), .windows = s->windows, .slow_began = s->slow_began};
	for (size_t i = 0; i < s->slow.n; i++) {
		if (s->slow.is_dropped[i])
			continue;
		out->slow_functions++;
		out->slow_ops |= s->slow.ops[i];
	}
}

unsigned int mp_switcher_not_told(const struct mp_switcher *s)
{
	return s->not_told;
}
