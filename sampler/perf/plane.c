/* SPDX-License-Identifier: MIT */
#include "sampler/perf/plane.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sampler/perf/ibs.h"
#include "sampler/perf/plane_priv.h"
#include "sampler/perf/regs.h"

/* A period is doubled at most so often: a billion of the event for a sample. */
#define STEPS_MAX 30

/* ---- Records ---- */

/* What the event itself says of reading and writing. */
static int is_write(const struct mp_event *e)
{
	if (e->attr.type != PERF_TYPE_BREAKPOINT)
		return -1;
	return e->attr.bp_type == HW_BREAKPOINT_W ? 1 : e->attr.bp_type == HW_BREAKPOINT_R ? 0 : -1;
}

/* A chain begins with a mark of whose code follows. */
static size_t read_chain(const struct mp_perf_words *w, uint64_t *ip, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n && n < room; i++) {
		uint64_t v = mp_perf_u64(w, i);
		if (v < (uint64_t)PERF_CONTEXT_MAX)
			ip[n++] = v;
	}
	return n;
}

static bool read_stack(const struct mp_perf_record *r, struct mp_stack_state *out)
{
	if (!sample_state(&r->regs_user, out))
		return false;
	out->bytes_at = out->reg[MP_REG_SP];
	out->bytes = r->stack.at;
	out->n_bytes = r->stack.n;
	out->t_ns = (int64_t)r->time;
	return true;
}

/* Where older kernels hand out the registers of AMD's IBS as they are. */
static void read_ibs(const struct mp_perf_record *r, struct mp_sample_event *e)
{
	struct mp_ibs_sample ibs;

	if (!mp_ibs_decode(r->raw.at, r->raw.n, &ibs))
		return;
	e->has_addr = ibs.has_addr;
	e->addr = ibs.addr;
	e->weight = ibs.latency;
	e->access = ibs.access;
	if (ibs.has_ip)
		e->ip = ibs.ip;
}

/* What the sample says of the data. */
static void read_access(
    const struct mp_event *event, const struct mp_perf_record *r, struct mp_sample_event *e)
{
	bool has_weight = r->has & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT) && r->weight;

	e->has_addr = r->has & PERF_SAMPLE_ADDR && r->addr;
	e->addr = r->addr;
	e->weight = has_weight ? (int64_t)r->weight : -1;
	e->data_src = r->has & PERF_SAMPLE_DATA_SRC ? r->data_src : 0;
	e->access = mp_access_of(e->data_src);
	if (r->has & PERF_SAMPLE_RAW && event->quality == MP_SAMPLE_IBS)
		read_ibs(r, e);
	if (e->access.is_write < 0)
		e->access.is_write = is_write(event);
}

/* Time is told by the timer's next tick: a late one is no missing one. */
static bool is_clock(const struct mp_event *e)
{
	return e->attr.type == PERF_TYPE_SOFTWARE &&
	       (e->attr.config == PERF_COUNT_SW_CPU_CLOCK || e->attr.config == PERF_COUNT_SW_TASK_CLOCK);
}

/*
 * What the sample stands for: what came since the one before it. Where samples are missing in between, they
 * are noticed; of a period that was just changed, the longer one is expected.
 */
static uint64_t count_sample(struct mp_perf_plane *p, size_t i, const struct mp_perf_record *r)
{
	struct mp_perf_counter *c = &p->reading->counters[i];
	uint64_t period = r->period, expected = mp_perf_period_now(p, i);

	if (r->has & PERF_SAMPLE_READ && r->read.n) {
		uint64_t value = mp_perf_u64(&r->read, 0);
		period = value > c->told ? value - c->told : 0;
		if (p->steps_before[i] > p->steps[i])
			expected <<= p->steps_before[i] - p->steps[i];
		c->missing +=
		    !is_clock(&p->o.wants[i].event) && period >= 2 * expected ? period / expected - 1 : 0;
	}
	c->told += period;
	return period;
}

static void take_sample(struct mp_perf_plane *p, size_t i, const struct mp_perf_record *r)
{
	const struct mp_event *event = &p->o.wants[i].event;
	struct mp_stack_state stack;
	uint64_t chain[MP_MAX_FRAMES];
	struct mp_sample_event e = {.t_ns = (int64_t)r->time,
	    .tid = (pid_t)r->tid,
	    .cpu = (int)r->cpu,
	    .event_id = (int64_t)i + 1,
	    .ip = r->ip,
	    .period = count_sample(p, i, r),
	    .quality = event->quality,
	    .chain = chain,
	    .n_chain = read_chain(&r->callchain, chain, MP_MAX_FRAMES)};

	bool in_kernel = (r->misc & PERF_RECORD_MISC_CPUMODE_MASK) != PERF_RECORD_MISC_USER;
	if ((pid_t)r->pid != p->o.pid)
		return; /* of a CPU, another process */
	read_access(event, r, &e);
	if (event->attr.precise_ip && !(r->misc & PERF_RECORD_MISC_EXACT_IP) &&
	    e.quality == MP_SAMPLE_PRECISE)
		e.quality = MP_SAMPLE_COUNTER;
	if (read_stack(r, &stack)) {
		e.stack = &stack;
		e.sp = stack.reg[MP_REG_SP];
	}
	p->samples[i]++;
	p->slot_samples++;
	/* After a change of the period there may be two at once: the first has told all. */
	if (e.period && mp_event_keeps(event, &e.access, e.weight, in_kernel))
		mp_pipeline_sample(p->pipeline, &e);
}

/* The unit knows whose it is; the samples do not. */
static void take_spe(void *ctx, const struct mp_spe_sample *s, int64_t t_ns)
{
	struct mp_perf_plane *p = ctx;
	const struct mp_event *event = &p->o.wants[p->reading_want].event;
	const struct mp_sample_event e = {.t_ns = t_ns,
	    .tid = p->reading->tid,
	    .cpu = -1,
	    .event_id = (int64_t)p->reading_want + 1,
	    .ip = s->ip,
	    .has_addr = s->has_addr,
	    .addr = s->addr,
	    .period = mp_perf_period_now(p, p->reading_want),
	    .weight = s->latency,
	    .access = s->access,
	    .quality = event->quality};

	p->samples[p->reading_want]++;
	p->slot_samples++;
	if (s->has_ip && mp_event_keeps(event, &e.access, e.weight, s->in_kernel))
		mp_pipeline_sample(p->pipeline, &e);
}

static void take_fork(struct mp_perf_plane *p, const struct mp_perf_record *r)
{
	struct mp_err ignored;

	if ((pid_t)r->u.task.pid != p->o.pid || mp_perf_unit_of(p, (pid_t)r->u.task.tid))
		return;
	p->missed += mp_perf_add_unit(p, (pid_t)r->u.task.tid, -1, &ignored) != 0;
}

static void take_map(struct mp_perf_plane *p, const struct mp_perf_record *r)
{
	char path[4096];

	if ((pid_t)r->u.map.pid != p->o.pid)
		return;
	snprintf(path, sizeof(path), "%.*s", (int)r->u.map.path.n, (const char *)r->u.map.path.at);
	mp_pipeline_map_data(p->pipeline, r->u.map.addr, r->u.map.addr + r->u.map.len, r->u.map.pgoff, path);
}

static void take_other(struct mp_perf_plane *p, const struct mp_perf_record *r)
{
	if (r->type == PERF_RECORD_MMAP || r->type == PERF_RECORD_MMAP2)
		take_map(p, r);
	else if (r->type == PERF_RECORD_FORK)
		take_fork(p, r);
	else if (r->type == PERF_RECORD_EXIT && (pid_t)r->u.task.tid == p->reading->tid)
		p->reading->has_ended = true;
}

static size_t want_of(const struct mp_perf_plane *p, uint64_t id)
{
	for (size_t i = 0; i < p->o.n; i++)
		if (p->reading->counters[i].fd >= 0 && p->reading->counters[i].id == id)
			return i;
	return p->o.n;
}

static void take(void *ctx, const struct perf_event_header *h)
{
	struct mp_perf_plane *p = ctx;
	struct mp_perf_record r;
	uint64_t id;

	if (!mp_perf_record_id(&p->ring_layout, h, h->size, &id)) {
		p->bad++;
		return;
	}
	size_t i = want_of(p, id);
	int ret = mp_perf_record_parse(i < p->o.n ? &p->layouts[i] : &p->ring_layout, h, h->size, &r);
	if (ret == -EBADMSG)
		p->bad++;
	else if (!ret && r.type == PERF_RECORD_SAMPLE && i < p->o.n)
		take_sample(p, i, &r);
	else if (!ret)
		take_other(p, &r);
}

static void drain_aux(struct mp_perf_plane *p)
{
	for (p->reading_want = 0; p->reading_want < p->o.n; p->reading_want++) {
		struct mp_perf_aux *aux = p->reading->counters[p->reading_want].aux;
		if (!aux)
			continue;
		mp_perf_aux_drain(aux, take_spe, p);
		p->aux_cut += aux->cut;
		p->bad += aux->bad_bytes != 0;
		aux->cut = aux->bad_bytes = 0;
	}
}

void mp_perf_plane_drain(struct mp_perf_plane *p, struct mp_pipeline *to)
{
	p->pipeline = to;
	/* New units come at the end meanwhile. */
	for (size_t i = 0; i < p->n_units; i++) {
		p->reading = p->units[i];
		mp_perf_ring_read(&p->reading->ring, take, p);
		drain_aux(p);
	}
	p->pipeline = NULL;
}

/* ---- Steering ---- */

static void set_period(struct mp_perf_plane *p, size_t i)
{
	uint64_t period = mp_perf_period_now(p, i);

	for (size_t k = 0; k < p->n_units; k++)
		if (p->units[k]->counters[i].fd >= 0)
			ioctl(p->units[k]->counters[i].fd, PERF_EVENT_IOC_PERIOD, &period);
}

/* The samples of an event that its equal part of the budget pays for. */
static double samples_allowed(const struct mp_perf_plane *p, int64_t ns)
{
	size_t sampled = 0;

	for (size_t i = 0; i < p->o.n; i++)
		sampled += p->o.wants[i].is_sampled;
	return p->o.budget * (double)ns / (double)(p->cost_ns ? p->cost_ns : 1) / (double)sampled;
}

void mp_perf_plane_steer(struct mp_perf_plane *p, int64_t ns)
{
	for (size_t i = 0; i < p->o.n; i++) {
		const struct mp_perf_want *w = &p->o.wants[i];
		unsigned int before = p->steps_before[i] = p->steps[i];
		double seen = (double)p->samples[i], allowed;

		p->samples[i] = 0;
		if (!w->is_sampled || w->event.has_period || w->event.attr.freq)
			continue;
		allowed = samples_allowed(p, ns);
		for (; seen > allowed && p->steps[i] < STEPS_MAX; seen /= 2)
			p->steps[i]++;
		/* Down one by one, and not so far that the next tick goes up again. */
		if (p->steps[i] == before && before && seen < allowed / 4)
			p->steps[i]--;
		if (p->steps[i] != before)
			set_period(p, i);
	}
}

/* ---- Slots ---- */

static bool read_counter(struct mp_perf_counter *c)
{
	struct mp_perf_counts now = {0};

	if (c->fd < 0 || read(c->fd, &now, sizeof(now)) < (ssize_t)offsetof(struct mp_perf_counts, lost))
		return false;
	c->more = (struct mp_perf_counts){.value = now.value - c->last.value,
	    .enabled_ns = now.enabled_ns - c->last.enabled_ns,
	    .running_ns = now.running_ns - c->last.running_ns,
	    .lost = now.lost - c->last.lost};
	c->last = now;
	return true;
}

/*
 * A kernel that is asked for too many samples in a tick throttles the event: it counts on, and takes none. So
 * many samples are missing as there was more counted than samples tell; less than two periods are on their
 * way. Of what the kernel counts itself the next sample tells: there the missing ones were seen, the lost
 * ones among them.
 */
static uint64_t throttled(const struct mp_perf_plane *p, struct mp_perf_counter *c, size_t i)
{
	const struct mp_perf_want *w = &p->o.wants[i];
	uint64_t period = mp_perf_period_now(p, i), missing = c->missing, lost = c->more.lost;
	bool tells_all =
	    w->event.attr.type == PERF_TYPE_SOFTWARE || w->event.attr.type == PERF_TYPE_BREAKPOINT;

	c->missing = 0;
	if (!w->is_sampled || w->event.attr.freq || w->event.is_aux || is_clock(&w->event))
		return 0;
	c->told += tells_all ? 0 : lost * period;
	if (c->last.value >= c->told + 2 * period) {
		uint64_t samples = (c->last.value - c->told) / period;
		c->told += samples * period;
		missing += samples;
	}
	if (!tells_all)
		return missing;
	return missing > lost ? missing - lost : 0;
}

/* As it would be, had it had a place in the hardware all the time. */
static uint64_t scaled(const struct mp_perf_counts *c)
{
	if (!c->running_ns || c->running_ns >= c->enabled_ns)
		return c->value;
	return (uint64_t)((double)c->value * (double)c->enabled_ns / (double)c->running_ns + 0.5);
}

static void read_unit(const struct mp_perf_plane *p, struct mp_perf_unit *u)
{
	for (size_t i = 0; i < p->o.n; i++)
		u->counters[i].is_read = read_counter(&u->counters[i]);
}

static void tell_unit_lost(
    struct mp_perf_plane *p, struct mp_perf_unit *u, struct mp_pipeline *to, int64_t t_ns)
{
	for (size_t i = 0; i < p->o.n; i++) {
		struct mp_perf_counter *c = &u->counters[i];
		char source[MP_EVENT_NAME_BYTES + 32];

		if (!c->is_read)
			continue;
		snprintf(source, sizeof(source), "samples of %s", p->o.wants[i].event.name);
		mp_pipeline_loss(to, t_ns, source, "events", c->more.lost);
		snprintf(source, sizeof(source), "samples of %s, throttled", p->o.wants[i].event.name);
		if (u->tid >= 0)
			mp_pipeline_loss(to, t_ns, source, "events", throttled(p, c, i));
	}
}

static int store_unit(const struct mp_perf_plane *p, const struct mp_perf_unit *u, struct mp_session *s,
    int64_t slot_ns, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < p->o.n; i++) {
		const struct mp_perf_counter *c = &u->counters[i];

		if (!c->is_read || !c->more.enabled_ns ||
		    u->tid < 0) /* what a whole CPU counted is not the target's */
			continue;
		const struct mp_thread_counter row = {.tid = u->tid,
		    .event_id = (int64_t)i + 1,
		    .value = scaled(&c->more),
		    .enabled_ns = c->more.enabled_ns,
		    .running_ns = c->more.running_ns};
		ret = mp_append_thread_counter(s, slot_ns, &row, err);
	}
	return ret;
}

static int describe(struct mp_perf_plane *p, struct mp_session *s, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && !p->is_described && i < p->o.n; i++) {
		const struct mp_perf_want *w = &p->o.wants[i];
		const struct mp_event_row row = {.event_id = (int64_t)i + 1,
		    .name = w->event.name,
		    .chosen = w->event.chosen,
		    .note = *w->event.note ? w->event.note : NULL,
		    .is_sampled = w->is_sampled,
		    .quality = w->event.quality};
		ret = mp_append_event(s, &row, err);
	}
	p->is_described = true;
	return ret;
}

static void close_ended(struct mp_perf_plane *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_units; i++) {
		if (p->units[i]->has_ended)
			mp_perf_close_unit(p, p->units[i]);
		else
			p->units[n++] = p->units[i];
	}
	p->n_units = n;
}

int mp_perf_plane_slot(struct mp_perf_plane *p, struct mp_session *s, struct mp_pipeline *to, int64_t slot_ns,
    int64_t t_ns, struct mp_err *err)
{
	int ret = describe(p, s, err);

	/* Counters first: then no sample that they have counted is still on its way. */
	for (size_t i = 0; i < p->n_units; i++)
		read_unit(p, p->units[i]);
	mp_perf_plane_drain(p, to);
	for (size_t i = 0; !ret && i < p->n_units; i++) {
		tell_unit_lost(p, p->units[i], to, t_ns);
		ret = store_unit(p, p->units[i], s, slot_ns, err);
	}
	close_ended(p);
	mp_pipeline_loss(to, t_ns, "threads without events", "events", p->missed);
	mp_pipeline_loss(to, t_ns, "pieces of an aux area", "events", p->aux_cut);
	mp_pipeline_loss(to, t_ns, "perf records that are none", "events", p->bad);
	if (!ret && p->slot_samples)
		ret = mp_append_overhead(s,
		    &(struct mp_overhead_row){.slot_ns = slot_ns,
			.plane = "samples",
			.events = p->slot_samples,
			.cost_ns = p->slot_samples * p->cost_ns},
		    err);
	p->aux_cut = p->missed = p->bad = p->slot_samples = 0;
	return ret;
}

bool mp_perf_wants_addresses(const struct mp_perf_want *wants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (wants[i].is_sampled && wants[i].event.attr.sample_type & PERF_SAMPLE_ADDR)
			return true;
	return false;
}
