/* SPDX-License-Identifier: MIT */
#include "sampler/pairing.h"

#include <stdlib.h>
#include <string.h>

#include "store/append.h"

#define NESTED_WITHIN_BYTES 65536 /* as in uprobe.bpf.c */

#ifdef __x86_64__
#define RETURN_POPS 8
#else
#define RETURN_POPS 0
#endif

struct state {
	pid_t tid; /* 0: empty slot */
	bool open;
	struct mp_entry_record entry;
	uint64_t size_bytes, ptr;
	int64_t off_since_ns; /* 0: on CPU, or not known */
	int cpu;              /* -1: not known */
};

struct mp_pairing {
	struct state *states; /* hashed by tid, linear probing */
	size_t room, n;
	struct mp_hist *hists;
	uint64_t split;
	struct mp_keep keep;
	struct mp_floor floor;
	struct mp_uprobe_stats stats;
	uint64_t orphans;
	uint64_t random;
	uint64_t samples, outliers; /* since the limits were last set */
};

struct mp_pairing *mp_pairing_new(void)
{
	struct mp_pairing *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->room = 1024;
	p->random = 0x9e3779b97f4a7c15ULL;
	p->states = calloc(p->room, sizeof(*p->states));
	p->hists = calloc((size_t)MP_HIST_BANKS * MP_HIST_BLOCKS, sizeof(*p->hists));
	if (!p->states || !p->hists) {
		mp_pairing_free(p);
		return NULL;
	}
	return p;
}

void mp_pairing_free(struct mp_pairing *p)
{
	if (!p)
		return;
	free(p->states);
	free(p->hists);
	free(p);
}

struct mp_hist_view mp_pairing_hists(struct mp_pairing *p)
{
	return (struct mp_hist_view){p->hists, 1, MP_HIST_BANKS};
}

void mp_pairing_split(struct mp_pairing *p, uint64_t split)
{
	p->split = split;
}

void mp_pairing_keep(struct mp_pairing *p, const struct mp_keep *keep, const struct mp_floor *floor)
{
	p->keep = *keep;
	p->floor = *floor;
	p->samples = p->outliers = 0;
}

static struct state *slot_of(struct state *states, size_t room, pid_t tid)
{
	size_t at = (size_t)tid * 2654435761u & (room - 1); /* Knuth's multiplicative hash */

	while (states[at].tid && states[at].tid != tid)
		at = (at + 1) & (room - 1);
	return &states[at];
}

static bool grow(struct mp_pairing *p)
{
	size_t room = p->room * 2;
	struct state *bigger = calloc(room, sizeof(*bigger));

	if (!bigger)
		return false;
	for (size_t i = 0; i < p->room; i++)
		if (p->states[i].tid)
			*slot_of(bigger, room, p->states[i].tid) = p->states[i];
	free(p->states);
	p->states = bigger;
	p->room = room;
	return true;
}

static struct state *state_of(struct mp_pairing *p, pid_t tid)
{
	struct state *s = slot_of(p->states, p->room, tid);

	if (s->tid)
		return s;
	if (p->n * 2 >= p->room) {
		if (!grow(p))
			return NULL;
		s = slot_of(p->states, p->room, tid);
	}
	p->n++;
	*s = (struct state){.tid = tid, .cpu = -1};
	return s;
}

static uint64_t masked_size(unsigned int mask, const uint64_t *args)
{
	uint64_t size = mask ? 1 : 0;

	for (unsigned int n = 1; n <= 3; n++)
		if (mask & MP_ARG(n))
			size *= args[n - 1];
	return size;
}

/* The rule of uprobe.bpf.c, where it is explained. */
static bool is_nested(const struct state *s, uint64_t sp)
{
	if (sp == s->entry.sp)
		return s->entry.op != MP_OP_NEW;
	return sp < s->entry.sp && s->entry.sp - sp < NESTED_WITHIN_BYTES;
}

void mp_pairing_entry(struct mp_pairing *p, const struct mp_entry_record *e)
{
	if (mp_op_ignores_null(e->op) && !e->args[0])
		return;
	struct state *s = state_of(p, e->tid);

	if (!s) {
		p->stats.calls_lost++;
		return;
	}
	if (s->open && is_nested(s, e->sp)) {
		p->stats.nested++;
		return;
	}
	if (s->open)
		p->stats.unpaired++;

	struct mp_op_args args = mp_op_args(e->op);
	s->open = true;
	s->entry = *e;
	s->size_bytes = masked_size(args.size, e->args);
	s->ptr = args.ptr ? e->args[0] : 0;
}

static void count(struct mp_pairing *p, const struct state *s, uint64_t dur_ns)
{
	unsigned int op = s->entry.op, class = op == MP_OP_CALIBRATE ? 0 : mp_size_class(s->size_bytes);
	unsigned int bank = mp_hist_bank(p->split, (uint64_t)s->entry.t_ns);
	struct mp_hist *h = &p->hists[bank * MP_HIST_BLOCKS + mp_hist_block(op, class)];

	h->bucket[mp_hist_bucket(dur_ns)]++;
	h->bytes += s->size_bytes;
	h->sum_ns += dur_ns;
	if (dur_ns > h->max_ns)
		h->max_ns = dur_ns;
	h->calls++;
}

/* xorshift64 (Marsaglia 2003). */
static uint32_t random32(struct mp_pairing *p)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (uint32_t)(p->random >> 32);
}

static uint32_t kept(struct mp_pairing *p, unsigned int op, uint64_t dur_ns, uint32_t *weight)
{
	*weight = 1;
	if (op >= MP_OP_COUNT)
		return 0;
	if (dur_ns >= p->keep.over_ns[op]) {
		if (p->keep.over_adaptive && ++p->outliers % MP_OUTLIERS_TO_DOUBLE == 0)
			p->keep.over_ns[op] *= 2;
		return MP_KEPT_OUTLIER;
	}
	if (p->keep.full)
		return MP_KEPT_FULL;
	if (!p->keep.sample_weight || (uint64_t)random32(p) * p->keep.sample_weight >> 32)
		return 0;
	*weight = p->keep.sample_weight;
	if (p->keep.sample_adaptive && ++p->samples % MP_SAMPLES_TO_DOUBLE == 0 && *weight < 1u << 30)
		p->keep.sample_weight *= 2;
	return MP_KEPT_SAMPLE;
}

void mp_pairing_return(struct mp_pairing *p, const struct mp_return_record *r, struct mp_pipeline *out)
{
	struct state *s = state_of(p, r->tid);

	if (!s || !s->open) {
		p->orphans++;
		return;
	}
	if (r->sp != s->entry.sp + RETURN_POPS)
		return; /* of a nested call */
	s->open = false;

	uint64_t raw = (uint64_t)(r->t_ns - s->entry.t_ns);
	uint64_t floor_ns = p->floor.ns[s->entry.is_stepped], dur_ns = raw > floor_ns ? raw - floor_ns : 0;
	unsigned int op = s->entry.op;
	uint32_t weight, why = kept(p, op, dur_ns, &weight);
	count(p, s, dur_ns);
	if (!out || (!why && (!p->keep.track || op >= MP_OP_COUNT)))
		return;

	/* posix_memalign returns its block through memory, which is not copied here: its address stays
	 * unknown. */
	uint64_t block = mp_op_ignores_null(op) ? s->ptr : op == MP_OP_POSIX_MEMALIGN ? 0 : r->value;
	struct mp_call_event e = {
	    .tid = r->tid,
	    .op = op,
	    .kept = why,
	    .weight = weight,
	    .t_ns = s->entry.t_ns,
	    .dur_ns = (int64_t)dur_ns,
	    .size_bytes = s->size_bytes,
	    .addr = block,
	    .end_ns = r->t_ns,
	    .handed_in = op == MP_OP_POSIX_MEMALIGN ? 0 : s->ptr,
	    .caller = r->stack ? r->stack->ip : 0,
	    .stack = p->keep.stack == MP_STACK_COPY ? r->stack : NULL,
	    .ip = r->ip,
	    .nframes = p->keep.stack ? r->nframes : 0,
	};
	if (why)
		mp_pipeline_call(out, &e);
	else
		mp_pipeline_tracked(out, &e);
}

void mp_pairing_count_kernel_event(struct mp_pairing *p, enum mp_kernel_kind kind)
{
	p->stats.kernel_events[kind]++;
}

void mp_pairing_switch(
    struct mp_pairing *p, pid_t tid, int64_t t_ns, bool is_out, int cpu, struct mp_pipeline *out)
{
	struct state *s = state_of(p, tid);

	if (!s)
		return;
	if (is_out) {
		s->off_since_ns = t_ns;
		s->cpu = cpu;
		return;
	}
	if (s->off_since_ns) {
		int64_t dur_ns = t_ns - s->off_since_ns;
		const struct mp_kernel_interval k = {.tid = tid,
		    .kind = MP_KERNEL_OFF_CPU,
		    .is_row = true,
		    .is_cause = true,
		    .cause = MP_KERNEL_OFF_CPU,
		    .t_ns = s->off_since_ns,
		    .dur_ns = dur_ns,
		    .self_ns = dur_ns};

		mp_pairing_count_kernel_event(p, MP_KERNEL_OFF_CPU);
		if (out)
			mp_pipeline_kernel_event(out, &k);
	}
	if (s->cpu >= 0 && s->cpu != cpu) {
		const struct mp_kernel_interval k = {.tid = tid,
		    .kind = MP_KERNEL_MIGRATION,
		    .is_row = true,
		    .t_ns = t_ns,
		    .dur_ns = -1,
		    .addr = (uint64_t)cpu};

		mp_pairing_count_kernel_event(p, MP_KERNEL_MIGRATION);
		if (out)
			mp_pipeline_kernel_event(out, &k);
	}
	s->off_since_ns = 0;
	s->cpu = cpu;
}

void mp_pairing_stats(const struct mp_pairing *p, struct mp_uprobe_stats *out, uint64_t *orphans)
{
	*out = p->stats;
	*orphans = p->orphans;
}
