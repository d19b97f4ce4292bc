/* SPDX-License-Identifier: MIT */
#include "sampler/preload_plane/plane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/preload/record.h"
#include "sampler/preload_plane/clock.h"
#include "sampler/preload_plane/cost.h"
#include "sampler/preload_plane/hist.h"
#include "sampler/preload_plane/region.h"
#include "sampler/preload_plane/ring.h"

/* A recorder that is stopped for so long is dead to the target, which then sleeps. */
#define LEASE_NS 60000000000LL

/*
 * So many samples or outliers of a thread double its own limit until the word changes: fewer than by uprobes,
 * because a thread has room for some dozen stacks from one drain to the next. Fewer still before the rate of
 * calls is known.
 */
#define SAMPLES_TO_DOUBLE        16
#define OUTLIERS_TO_DOUBLE       64
#define FIRST_SAMPLES_TO_DOUBLE  4
#define FIRST_OUTLIERS_TO_DOUBLE 16

#define PERIOD_MASK ((1u << (64 - MP_MAX_SHIFT)) - 1)

/* What the thread of a slot counts besides calls. */
struct slot_counts {
	uint64_t dropped, dropped_markers, stacks_dropped, nested, reentered, gauge_sets, scope_ends,
	    scopes_deep;
};

struct slot {
	struct mp_pool_missed missed[MP_POOLS_LOST + 1];
	struct mp_slot_seen seen;
	struct mp_ring_reader reader;
	struct slot_counts counts;
	pid_t told_tid; /* by mp_preload_each_counter() */
};

struct mp_preload {
	pid_t pid;
	struct mp_preload_region region;
	bool was_left, is_active;
	uint32_t word, period;
	uint32_t double_samples, double_outliers;
	struct mp_keep keep;
	uint64_t floor_ticks, cost_ns;
	struct slot *slots[MP_REGION_SLOTS]; /* NULL: never claimed */
	uint64_t without_slot, names_lost, track_lost,
	    gauge_sets;                /* the header's counters when last looked at */
	unsigned int scopes[MP_NAMES]; /* what mp_pipeline_scope() says of a name, and one; 0: not asked */
	struct {
		uint64_t value;
		bool is_told;
	} gauges[MP_NAMES]; /* as handed on */
	struct mp_preload_stats stats;
	struct mp_hist *hists; /* MP_HIST_BLOCKS, for each bank */
	uint64_t split_ticks;  /* where counting goes over, or went; 0: never */
	unsigned int bank;     /* before that */
	struct mp_preload_clock clock;
};

/* ---- Slots ---- */

static void read_counts(const struct mp_slot *s, struct slot_counts *out)
{
	*out = (struct slot_counts){mp_load(&s->dropped), mp_load(&s->dropped_markers),
	    mp_load(&s->stacks_dropped), mp_load(&s->nested), mp_load(&s->reentered), mp_load(&s->gauge_sets),
	    mp_load(&s->scope_ends), mp_load(&s->scopes_deep)};
}

static void read_missed(const struct mp_slot *s, struct mp_pool_missed out[static MP_POOLS_LOST + 1])
{
	for (unsigned int i = 0; i <= MP_POOLS_LOST; i++) {
		const struct mp_pool_missed *m = &s->pool_missed[i];
		out[i].gets = mp_load_acquire(&m->gets);
		out[i].puts = mp_load_acquire(&m->puts);
		out[i].pool = mp_load(&m->pool);
	}
}

/* The slot's memory when a thread has ever used it. A slot that we do not know yet begins at 0, with all that
 * it ever counted: to be called for all before the target is woken. */
static struct slot *know(struct mp_preload *p, unsigned int i, struct mp_slot **out)
{
	struct mp_slot *s = mp_preload_region_slot(&p->region, i);

	*out = s;
	if (p->slots[i] || !mp_load_acquire(&s->ready))
		return p->slots[i];
	return p->slots[i] = calloc(1, sizeof(*p->slots[i])); /* out of memory: found again the next time */
}

/* for (i = 0; (i = next_slot(p, i)) < slots; i++). Asks the kernel only where we do not know the slot. */
static unsigned int next_slot(const struct mp_preload *p, unsigned int i)
{
	return i < p->region.slots && p->slots[i] ? i : mp_preload_region_next(&p->region, i);
}

static void forget_slots(struct mp_preload *p)
{
	for (unsigned int i = 0; i < MP_REGION_SLOTS; i++) {
		free(p->slots[i]);
		p->slots[i] = NULL;
	}
}

/* ---- Opening ---- */

int mp_preload_open(pid_t pid, struct mp_preload **out, struct mp_err *err)
{
	struct mp_preload *p = calloc(1, sizeof(*p));

	if (p)
		p->hists = calloc((size_t)MP_HIST_BANKS * MP_HIST_BLOCKS, sizeof(*p->hists));
	if (!p || !p->hists) {
		free(p);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	p->pid = pid;
	int ret = mp_preload_region_open(pid, &p->region, err);
	if (!ret)
		ret = mp_preload_region_lock(&p->region, pid, err);
	if (ret) {
		mp_preload_close(p);
		return ret;
	}
	p->was_left = (mp_load(&p->region.header->word) & MP_WORD_MODE) != MP_MODE_DORMANT;
	mp_preload_clock_begin(&p->clock);
	p->floor_ticks = mp_preload_clock_floor(&p->clock);
	p->cost_ns = mp_preload_cost(&p->clock, p->floor_ticks);
	*out = p;
	return 0;
}

void mp_preload_close(struct mp_preload *p)
{
	if (!p)
		return;
	if (p->is_active)
		mp_preload_deactivate(p);
	mp_preload_region_close(&p->region);
	forget_slots(p);
	free(p->hists);
	free(p);
}

bool mp_preload_was_left(const struct mp_preload *p)
{
	return p->was_left;
}

uint64_t mp_preload_floor_ns(const struct mp_preload *p)
{
	return (uint64_t)((unsigned __int128)p->floor_ticks * mp_preload_clock_rate(&p->clock) >> 32);
}

uint64_t mp_preload_cost_ns(const struct mp_preload *p)
{
	return p->cost_ns;
}

/* ---- What the target is told ---- */

static void renew_lease(struct mp_preload *p)
{
	struct mp_region *h = p->region.header;

	mp_store(&h->lease_ticks,
	    mp_preload_clock_ticks(&p->clock) + mp_preload_clock_ticks_of(&p->clock, LEASE_NS));
	mp_store(&h->ns_per_tick, mp_preload_clock_rate(&p->clock));
}

/* Threads that see another word look at the rest, which the release store has put there. */
static void set_word(struct mp_preload *p, enum mp_mode mode)
{
	uint32_t change = (p->word & ~(MP_WORD_CHANGE - 1)) + MP_WORD_CHANGE;

	p->word = change | (uint32_t)mode | p->clock.word;
	mp_store_release(&p->region.header->word, p->word);
}

/* What threads say that they are in may be over: nobody listened. */
static void begin_recording(struct mp_preload *p)
{
	struct mp_region *h = p->region.header;

	mp_store(&h->recording, mp_load(&h->recording) + 1);
}

static void set_keep(struct mp_preload *p, const struct mp_keep *keep, bool is_first)
{
	struct mp_region *h = p->region.header;

	p->keep = *keep;
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		mp_store(&h->keep_over_ns[op], keep->over_ns[op]);
	mp_store(&h->sample_weight, keep->sample_weight);
	mp_store(&h->take_stacks, keep->stack != MP_STACK_OFF);
	p->double_samples = !keep->sample_adaptive ? 0
			    : is_first             ? FIRST_SAMPLES_TO_DOUBLE
						   : SAMPLES_TO_DOUBLE;
	p->double_outliers = !keep->over_adaptive ? 0
			     : is_first           ? FIRST_OUTLIERS_TO_DOUBLE
						  : OUTLIERS_TO_DOUBLE;
	mp_store(&h->double_samples, p->double_samples);
	mp_store(&h->double_outliers, p->double_outliers);
	mp_store(&h->track_bytes, keep->track_all ? 0 : keep->track_bytes);
	mp_store(&h->track_stacks, keep->track_all && keep->stack != MP_STACK_OFF);
	set_word(p, keep->track ? MP_MODE_TRACK : keep->full ? MP_MODE_FULL : MP_MODE_ACTIVE);
}

static void tell_split(struct mp_preload *p)
{
	mp_store(&p->region.header->split, p->split_ticks ? mp_hist_split(p->split_ticks, p->bank) : p->bank);
}

static bool same_keep(const struct mp_keep *a, const struct mp_keep *b)
{
	return a->full == b->full && a->track == b->track && a->stack == b->stack &&
	       a->track_bytes == b->track_bytes && a->sample_weight == b->sample_weight &&
	       !memcmp(a->over_ns, b->over_ns, sizeof(a->over_ns));
}

/* Whether a burst has made a thread keep less than we set: it goes on so until the word changes. */
static bool is_damped(const struct mp_preload *p)
{
	for (unsigned int i = 0; i < p->region.slots; i++) {
		const struct mp_slot *s = p->slots[i] ? mp_preload_region_slot(&p->region, i) : NULL;
		if (s && ((p->double_samples && mp_load(&s->samples) >= p->double_samples) ||
			     (p->double_outliers && mp_load(&s->outliers) >= p->double_outliers) ||
			     mp_load(&s->tracked) >= MP_TRACKED_TO_DOUBLE))
			return true;
	}
	return false;
}

bool mp_preload_keep(struct mp_preload *p, const struct mp_keep *keep)
{
	bool is_awake = mp_load(&p->region.header->word) == p->word;

	renew_lease(p);
	if (p->is_active && !is_awake)
		begin_recording(p);
	if (p->is_active && (!is_awake || !same_keep(keep, &p->keep) || is_damped(p)))
		set_keep(p, keep, false);
	return is_awake || !p->is_active;
}

/* All that was counted and written so far is not ours. */
static void take_baseline(struct mp_preload *p)
{
	struct mp_region *h = p->region.header;
	struct mp_slot *s;

	for (unsigned int i = 0; (i = next_slot(p, i)) < p->region.slots; i++) {
		struct slot *slot = know(p, i, &s);
		if (!slot)
			continue;
		mp_preload_hist_take(s, &slot->seen, NULL, 0, true);
		mp_preload_ring_skip(s, &slot->reader);
		read_counts(s, &slot->counts);
		read_missed(s, slot->missed);
	}
	p->without_slot = mp_load(&h->calls_without_slot);
	p->names_lost = mp_load(&h->markers_lost);
	p->track_lost = mp_load(&h->track_lost);
	p->gauge_sets = mp_load(&h->gauge_sets);
	for (unsigned int i = 0; i < MP_NAMES; i++)
		mp_store(&h->is_gauge[i], 0);
	mp_track_clear(&h->tracked);
}

void mp_preload_activate(struct mp_preload *p, const struct mp_keep *keep)
{
	struct mp_region *h = p->region.header;

	take_baseline(p);
	mp_preload_clock_point(&p->clock);
	p->word = mp_load(&h->word);
	p->period = (mp_load(&h->period) + 1) & PERIOD_MASK;
	mp_store(&h->period, p->period);
	mp_store(&h->floor_ticks, p->floor_ticks);
	renew_lease(p);
	p->is_active = true;
	begin_recording(p);
	tell_split(p);
	set_keep(p, keep, true);
}

void mp_preload_deactivate(struct mp_preload *p)
{
	p->is_active = false;
	set_word(p, MP_MODE_DORMANT);
}

void mp_preload_slot(struct mp_preload *p)
{
	p->period = (p->period + 1) & PERIOD_MASK;
	mp_store(&p->region.header->period, p->period);
}

/* ---- What it tells ---- */

static int64_t clamped(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

struct mp_hist_view mp_preload_hists(const struct mp_preload *p)
{
	return (struct mp_hist_view){p->hists, 1, MP_HIST_BANKS};
}

void mp_preload_split(struct mp_preload *p, int64_t t_ns, unsigned int bank)
{
	const struct mp_clock_point *last = &p->clock.points[p->clock.n - 1];

	p->bank = bank;
	p->split_ticks = last->ticks;
	if (t_ns > last->ns)
		p->split_ticks += mp_preload_clock_ticks_of(&p->clock, t_ns - last->ns);
	p->split_ticks |= 1;
	tell_split(p);
}

int64_t mp_preload_split_ns(const struct mp_preload *p)
{
	if (p->clock.points[p->clock.n - 1].ticks <= p->split_ticks)
		return -1;
	return mp_preload_clock_ns(&p->clock, p->split_ticks);
}

static void take_counts(struct mp_preload *p, const struct mp_slot *s, struct slot_counts *last)
{
	struct mp_preload_stats *t = &p->stats;
	struct slot_counts now;

	read_counts(s, &now);
	t->rows_lost += now.dropped - last->dropped;
	t->markers_lost += now.dropped_markers - last->dropped_markers;
	t->stacks_lost += now.stacks_dropped - last->stacks_dropped;
	t->nested += now.nested - last->nested;
	t->reentered += now.reentered - last->reentered;
	t->gauge_sets += now.gauge_sets - last->gauge_sets;
	t->scope_ends += now.scope_ends - last->scope_ends;
	t->scopes_deep += now.scopes_deep - last->scopes_deep;
	*last = now;
}

void mp_preload_poll(struct mp_preload *p, bool final)
{
	struct mp_region *h = p->region.header;
	uint64_t without_slot = mp_load(&h->calls_without_slot), names_lost = mp_load(&h->markers_lost);
	uint64_t track_lost = mp_load(&h->track_lost), gauge_sets = mp_load(&h->gauge_sets);
	struct mp_slot *s;

	for (unsigned int i = 0; (i = next_slot(p, i)) < p->region.slots; i++) {
		struct slot *slot = know(p, i, &s);
		if (!slot)
			continue;
		mp_preload_hist_take(s, &slot->seen, p->hists, p->period, final);
		take_counts(p, s, &slot->counts);
	}
	p->stats.without_slot += without_slot - p->without_slot;
	p->stats.markers_lost += names_lost - p->names_lost;
	p->stats.track_lost += track_lost - p->track_lost;
	p->stats.gauge_sets += gauge_sets - p->gauge_sets;
	p->gauge_sets = gauge_sets;
	p->track_lost = track_lost;
	p->without_slot = without_slot;
	p->names_lost = names_lost;
}

void mp_preload_stats(const struct mp_preload *p, struct mp_preload_stats *out)
{
	*out = p->stats;
}

bool mp_preload_has_block(struct mp_preload *p, uint64_t addr)
{
	return mp_track_has(&p->region.header->tracked, addr);
}

void mp_preload_forget_block(struct mp_preload *p, uint64_t addr)
{
	mp_track_take(&p->region.header->tracked, addr);
}

void mp_preload_each_counter(struct mp_preload *p,
    void (*fn)(void *ctx, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr), void *ctx)
{
	struct mp_slot *s;

	for (unsigned int i = 0; (i = next_slot(p, i)) < p->region.slots; i++) {
		struct slot *slot = know(p, i, &s);
		pid_t tid = slot ? (pid_t)mp_load(&s->tid) : 0;

		if (!slot || tid == slot->told_tid)
			continue;
		slot->told_tid = tid;
		uint64_t at = tid > 0 ? mp_preload_region_slot_addr(&p->region, p->pid, i) : 0;
		if (at)
			fn(ctx, tid, at + offsetof(struct mp_slot, calls),
			    at + offsetof(struct mp_slot, calls_ns));
	}
}

/* Names are the target's: copied, and ended where they do not end. */
static void copy_name(const struct mp_preload *p, unsigned int name, char out[static MP_NAME_BYTES + 1])
{
	memcpy(out, p->region.header->name[name].text, MP_NAME_BYTES);
	out[MP_NAME_BYTES] = 0;
}

void mp_preload_gauges(struct mp_preload *p, struct mp_pipeline *pipeline)
{
	const struct mp_region *h = p->region.header;
	char name[MP_NAME_BYTES + 1];

	for (unsigned int i = 0; i < MP_NAMES; i++) {
		if (!mp_load_acquire(&h->is_gauge[i]))
			continue;
		uint64_t value = mp_load(&h->gauge[i]);
		if (p->gauges[i].is_told && p->gauges[i].value == value)
			continue; /* a name may stand twice: what has changed is what was told last */
		p->gauges[i].value = value;
		p->gauges[i].is_told = true;
		copy_name(p, i, name);
		mp_pipeline_gauge(pipeline, name, (int64_t)value);
	}
}

struct drain {
	struct mp_preload *p;
	struct mp_pipeline *pipeline;
	const struct mp_preload_listener *listener;
};

/* To follow each block, the library tells every call: here is drawn what would have been. */
static bool is_kept(const struct mp_preload *p, struct mp_call_event *e)
{
	uint32_t one_in = p->keep.sample_weight;

	if (p->keep.full || !p->keep.track || e->kept != MP_KEPT_FULL)
		return true;
	if (!one_in || random() % one_in)
		return false;
	e->kept = MP_KEPT_SAMPLE;
	e->weight = one_in;
	return true;
}

static unsigned int scope_of(const struct drain *d, unsigned int told)
{
	char name[MP_NAME_BYTES + 1];

	if (!told || told > MP_NAMES || !d->pipeline)
		return 0;
	unsigned int *known = &d->p->scopes[told - 1];
	if (!*known) {
		copy_name(d->p, told - 1, name);
		*known = mp_pipeline_scope(d->pipeline, name) + 1;
	}
	return *known - 1;
}

static void take_call(void *ctx, const struct mp_ring_call *c)
{
	const struct drain *d = ctx;
	struct mp_call_event e = {
	    .tid = c->tid,
	    .op = c->op,
	    .kept = c->kept,
	    .weight = c->weight,
	    .t_ns = c->t_ns,
	    .dur_ns = c->dur_ns,
	    .size_bytes = c->size_bytes,
	    .addr = c->addr,
	    .handed_in = c->given,
	    .caller = c->caller,
	    .scope = scope_of(d, c->scope),
	};

	if (c->stack) {
		e.ip = c->stack->ip;
		e.nframes = c->stack->nframes;
		if (d->p->keep.stack == MP_STACK_COPY && c->stack->state.bytes)
			e.stack = &c->stack->state;
	}
	if (d->pipeline && is_kept(d->p, &e))
		mp_pipeline_call(d->pipeline, &e);
	else if (d->pipeline)
		mp_pipeline_tracked(d->pipeline, &e);
}

static void take_block(void *ctx, const struct mp_ring_block *b)
{
	const struct drain *d = ctx;
	struct mp_call_event e = {.tid = b->tid,
	    .op = b->op,
	    .t_ns = b->t_ns,
	    .size_bytes = b->size_bytes,
	    .addr = b->addr,
	    .caller = b->caller,
	    .scope = b->period_bytes ? scope_of(d, b->scope) : 0,
	    .born_period = b->period_bytes};

	if (!d->pipeline)
		return;
	if (!b->period_bytes) {
		mp_pipeline_block_died(d->pipeline, b->addr, b->t_ns, b->tid, b->is_moved);
		return;
	}
	if (b->stack) {
		e.ip = b->stack->ip;
		e.nframes = b->stack->nframes;
		if (d->p->keep.stack == MP_STACK_COPY && b->stack->state.bytes)
			e.stack = &b->stack->state;
	}
	mp_pipeline_block_born(d->pipeline, &e);
}

static struct mp_pool_event pool_event(
    const struct drain *d, const struct mp_ring_marker *m, const char *name)
{
	bool is_create = m->kind == MPSAMPLE_KIND_POOL_CREATE;
	struct mp_pool_event e = {.tid = m->tid,
	    .kind = m->kind,
	    .t_ns = m->t_ns,
	    .dur_ns = -1,
	    .pool = m->a,
	    .ptr = is_create ? 0 : m->b,
	    .capacity = is_create ? clamped(m->c) : -1,
	    .object_bytes = is_create ? clamped(m->b) : -1,
	    .name = name,
	    .ip = m->place};

	if (m->stack) {
		e.chain = m->stack->ip;
		e.n_chain = m->stack->nframes;
		if (d->p->keep.stack == MP_STACK_COPY && m->stack->state.bytes)
			e.stack = &m->stack->state;
	}
	return e;
}

static void take_marker(void *ctx, const struct mp_ring_marker *m)
{
	const struct drain *d = ctx;
	char name[MP_NAME_BYTES + 1] = "";
	bool has_name = m->name < MP_NAMES;

	if (!d->pipeline)
		return;
	if (has_name)
		copy_name(d->p, m->name, name);
	if (m->kind >= MPSAMPLE_KIND_POOL_CREATE) {
		struct mp_pool_event e = pool_event(d, m, has_name ? name : NULL);
		mp_pipeline_pool(d->pipeline, &e);
		return;
	}
	struct mp_marker_event e = {.tid = m->tid,
	    .t_ns = m->t_ns,
	    .kind = m->kind,
	    .name = has_name ? name : NULL,
	    .a = m->a,
	    .sums = {
		.alloc_ns = m->alloc_ns, .alloc_calls = m->alloc_calls, .fault_ns = -1, .off_cpu_ns = -1}};
	mp_pipeline_marker(d->pipeline, &e);
}

static void take_owner(void *ctx, pid_t tid, int64_t t_ns)
{
	const struct drain *d = ctx;

	if (d->listener->thread)
		d->listener->thread(d->listener->ctx, tid, t_ns);
}

/* Pools of which some gets and puts found no room: how full they are stays right. */
static void take_missed(struct mp_preload *p, struct mp_pipeline *pipeline)
{
	struct mp_pool_missed now[MP_POOLS_LOST + 1];
	struct mp_slot *s;

	for (unsigned int i = 0; (i = next_slot(p, i)) < p->region.slots; i++) {
		struct slot *slot = know(p, i, &s);
		if (!slot || !memcmp(slot->missed, s->pool_missed, sizeof(now)))
			continue;
		read_missed(s, now);
		for (unsigned int k = 0; k < MP_POOLS_LOST; k++) {
			const struct mp_pool_missed *last = &slot->missed[k];
			const struct mp_pool_lost lost = {.t_ns = p->clock.points[p->clock.n - 1].ns,
			    .pool = now[k].pool,
			    .gets = now[k].gets - last->gets,
			    .puts = now[k].puts - last->puts};
			if (pipeline && lost.gets + lost.puts)
				mp_pipeline_pool_lost(pipeline, &lost);
		}
		memcpy(slot->missed, now, sizeof(now));
	}
}

/* The heads first, then the point of the clock: no record that is read is younger than it. */
bool mp_preload_drain(
    struct mp_preload *p, struct mp_pipeline *pipeline, const struct mp_preload_listener *listener)
{
	struct drain d = {p, pipeline, listener};
	const struct mp_ring_sink sink = {
	    .call = take_call, .marker = take_marker, .owner = take_owner, .block = take_block, .ctx = &d};
	uint64_t heads[MP_REGION_SLOTS];
	struct mp_slot *s;
	bool is_full = false;

	/* What the process has cut out of its memory has nothing new. */
	for (unsigned int i = 0; i < p->region.slots; i++)
		heads[i] = p->slots[i] ? p->slots[i]->reader.tail : 0;
	for (unsigned int i = 0; (i = next_slot(p, i)) < p->region.slots; i++)
		if (know(p, i, &s))
			heads[i] = mp_load_acquire(&s->head);
	mp_preload_clock_point(&p->clock);
	if (listener->before_rows)
		listener->before_rows(listener->ctx);
	for (unsigned int i = 0; i < p->region.slots; i++) {
		struct mp_ring_reader *r = p->slots[i] ? &p->slots[i]->reader : NULL;
		if (!r || r->tail == heads[i])
			continue;
		s = mp_preload_region_slot(&p->region, i);
		uint64_t tail = r->tail, stacks_tail = r->stacks_tail;
		mp_preload_ring_drain(s, p->region.ring_records, heads[i], r, &p->clock, &sink);
		/* By what was taken: what was left is not there yet, and may never be. */
		is_full |= r->tail - tail > p->region.ring_records / 4 ||
			   r->stacks_tail - stacks_tail > MP_STACKS_BYTES / 4;
		p->stats.rows_lost += r->rows_lost;
		p->stats.stacks_lost += r->stacks_lost;
		r->rows_lost = r->stacks_lost = 0;
	}
	take_missed(p, pipeline);
	return is_full;
}

/* ---- Exec ---- */

bool mp_preload_is_mapped(const struct mp_preload *p)
{
	return mp_preload_region_is_mapped(&p->region, p->pid) != 0; /* if it cannot be read, who knows */
}

/* The memory that the old program left stays as long as it is mapped here. */
int mp_preload_follow(struct mp_preload *p, struct mp_pipeline *pipeline, struct mp_err *err)
{
	struct mp_preload_region next;
	int ret = mp_preload_region_open(p->pid, &next, err);

	if (ret)
		return ret;
	ret = mp_preload_region_lock(&next, p->pid, err);
	if (ret) {
		mp_preload_region_close(&next);
		return ret;
	}
	mp_preload_poll(p, true);
	mp_preload_drain(p, pipeline, &(struct mp_preload_listener){0});
	mp_pipeline_blocks_gone(pipeline, p->clock.points[p->clock.n - 1].ns);
	mp_preload_region_close(&p->region);
	forget_slots(p);
	memset(p->scopes, 0, sizeof(p->scopes));
	memset(p->gauges, 0, sizeof(p->gauges));
	p->region = next;
	struct mp_keep keep = p->keep;
	mp_preload_activate(p, &keep);
	return 0;
}
