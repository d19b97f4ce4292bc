/* SPDX-License-Identifier: MIT */
#include "sampler/perf/plane.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "sampler/grow.h"
#include "sampler/perf/cost.h"
#include "sampler/perf/regs.h"
#include "sampler/perf/ring.h"
#include "sampler/target.h"

/* Locked memory of all rings together, and of one. */
#define RINGS_BYTES_MAX (64u << 20)
#define RING_PAGES_MAX  256
#define RING_PAGES_MIN  8

/* Threads whose events are open: each takes a descriptor an event. */
#define UNITS_MAX 8192

/* So much of a stack comes with a sample. */
#define STACK_BYTES 4096

/* A period is doubled at most so often: a billion of the event for a sample. */
#define STEPS_MAX 30

struct counts {
	uint64_t value, enabled_ns, running_ns, lost;
};

/* One event of one thread, or of one CPU. */
struct counter {
	int fd; /* -1: not open */
	uint64_t id;
	struct counts last, more; /* when it was read, and what has come since it was read before */
	uint64_t told;            /* of last.value, by the periods of samples, lost ones too */
	bool is_read;             /* at the end of this slot */
};

/* A thread of the target, or (tid -1) a CPU. All its events write into one ring, which is that of an event
 * that never happens and tells of new threads. */
struct unit {
	pid_t tid;
	int cpu;
	struct mp_perf_ring ring;
	struct counter *counters; /* [n wants] */
	int *leaders;             /* likewise, of events that need one; -1 */
	bool has_ended;
};

struct mp_perf_plane {
	struct mp_perf_options o;
	size_t ring_pages;
	int epoll_fd;
	bool is_enabled;
	bool follows_data; /* addresses are resolved: what is mapped is told */
	struct unit **units;
	size_t n_units, units_room;
	struct mp_perf_layout layouts[MP_PERF_WANTS_MAX], ring_layout;
	bool is_described; /* the events have rows */

	unsigned int steps[MP_PERF_WANTS_MAX]; /* the period was doubled so often */
	uint64_t samples[MP_PERF_WANTS_MAX];   /* since the last steering */
	uint64_t slot_samples, missed, bad;    /* since the last slot */
	uint64_t cost_ns;                      /* of a sample, in the target */
	struct mp_pipeline *pipeline;          /* of the drain in progress */
	struct unit *reading;                  /* likewise */
};

/* ---- Attributes ---- */

static uint64_t own_period(const struct mp_event *e)
{
	const struct perf_event_attr *a = &e->attr;

	if (a->sample_period)
		return a->sample_period;
	if (a->type == PERF_TYPE_BREAKPOINT)
		return 1;
	if (a->type == PERF_TYPE_SOFTWARE)
		return a->config == PERF_COUNT_SW_CPU_CLOCK || a->config == PERF_COUNT_SW_TASK_CLOCK ? 1000000
												     : 1;
	if (e->quality == MP_SAMPLE_IBS || e->quality == MP_SAMPLE_SPE ||
	    (a->type == PERF_TYPE_HARDWARE && a->config <= PERF_COUNT_HW_INSTRUCTIONS))
		return 1000000; /* of cycles, instructions or operations */
	return 1000;
}

static uint64_t period_now(const struct mp_perf_plane *p, size_t i)
{
	return own_period(&p->o.wants[i].event) << p->steps[i];
}

static void add_stack(const struct mp_perf_plane *p, struct perf_event_attr *a)
{
	if (p->o.stack == MP_STACK_COPY) {
		a->sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		a->sample_regs_user = SAMPLE_REGS;
		a->sample_stack_user = STACK_BYTES;
	} else if (p->o.stack == MP_STACK_FRAME_POINTERS) {
		a->sample_type |= PERF_SAMPLE_CALLCHAIN;
		a->exclude_callchain_kernel = 1;
		a->sample_max_stack = MP_MAX_FRAMES;
	}
}

static struct perf_event_attr attr_of(const struct mp_perf_plane *p, size_t i)
{
	const struct mp_perf_want *w = &p->o.wants[i];
	struct perf_event_attr a = w->event.attr;

	a.disabled = 1;
	a.use_clockid = 1;
	a.clockid = CLOCK_MONOTONIC;
	a.read_format =
	    PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | mp_perf_lost_format();
	a.sample_id_all = 1;
	a.sample_type |= PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			 PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD;
	if (!w->is_sampled) {
		a.freq = 0;
		a.sample_period = 0;
		a.sample_type = PERF_SAMPLE_IDENTIFIER;
		a.precise_ip = 0;
		return a;
	}
	if (!a.freq)
		a.sample_period = period_now(p, i);
	add_stack(p, &a);
	return a;
}

static struct perf_event_attr ring_attr(const struct mp_perf_plane *p)
{
	return (struct perf_event_attr){
	    .type = PERF_TYPE_SOFTWARE,
	    .config = PERF_COUNT_SW_DUMMY,
	    .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
	    .sample_id_all = 1,
	    .task = 1,
	    .mmap = p->follows_data,
	    .mmap_data = p->follows_data,
	    .mmap2 = p->follows_data,
	    .watermark = 1,
	    .wakeup_watermark = (uint32_t)(p->ring_pages * (size_t)sysconf(_SC_PAGESIZE) / 2),
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	};
}

static struct mp_perf_layout layout_of(const struct perf_event_attr *a)
{
	return (struct mp_perf_layout){.sample_type = a->sample_type,
	    .read_format = a->read_format,
	    .branch_sample_type = a->branch_sample_type,
	    .sample_regs_user = a->sample_regs_user,
	    .sample_regs_intr = a->sample_regs_intr,
	    .sample_id_all = a->sample_id_all};
}

/* ---- Units ---- */

static void close_unit(struct mp_perf_plane *p, struct unit *u)
{
	for (size_t i = 0; u->counters && i < p->o.n; i++)
		if (u->counters[i].fd >= 0)
			close(u->counters[i].fd);
	for (size_t i = 0; u->leaders && i < p->o.n; i++)
		if (u->leaders[i] >= 0)
			close(u->leaders[i]);
	mp_perf_ring_close(&u->ring);
	free(u->counters);
	free(u->leaders);
	free(u);
}

static int refused(const struct mp_perf_plane *p, size_t i, int code, bool in_group, struct mp_err *err)
{
	const struct mp_event *e = &p->o.wants[i].event;

	if (code == -EMFILE || code == -ENFILE)
		return mp_err_set(err, -code,
		    "cannot open event %s: too many open files; raise the limit (ulimit -n) or ask for fewer "
		    "events",
		    e->name);
	if (code == -EACCES || code == -EPERM)
		return mp_err_set(err, -code,
		    "cannot open event %s: not permitted; run as root, or give mpsample CAP_PERFMON",
		    e->name);
	if (code == -EINVAL && in_group)
		return mp_err_set(err, -code,
		    "event %s does not fit into its group: the PMU has not so many counters; make the group "
		    "smaller",
		    e->name);
	if (code == -ENOENT || code == -EOPNOTSUPP || code == -ENODEV)
		return mp_err_set(err, -code,
		    "event %s (%s) is not to be had on this machine: %s; mpsample list events tells what is",
		    e->name, e->chosen, strerror(-code));
	if (code == -EBUSY)
		return mp_err_set(
		    err, -code, "event %s: another program has the counters (%s)", e->name, strerror(-code));
	return mp_err_set(err, -code, "cannot open event %s (%s): %s", e->name, e->chosen, strerror(-code));
}

static int leader_of(const struct mp_perf_plane *p, const struct unit *u, size_t i)
{
	for (size_t k = 0; k < i && p->o.wants[i].group; k++)
		if (p->o.wants[k].group == p->o.wants[i].group)
			return u->counters[k].fd;
	return u->leaders[i];
}

/* The event by which a CPU gives latencies at all. */
static int open_leader(const struct mp_perf_plane *p, struct unit *u, size_t i)
{
	struct perf_event_attr a = p->o.wants[i].event.leader;

	if (!p->o.wants[i].event.has_leader)
		return 0;
	a.disabled = 1;
	a.sample_type = PERF_SAMPLE_IDENTIFIER;
	u->leaders[i] = mp_perf_open(&a, u->tid, u->cpu, -1);
	return u->leaders[i] < 0 ? u->leaders[i] : 0;
}

static int open_counter(struct mp_perf_plane *p, struct unit *u, size_t i, struct mp_err *err)
{
	struct counter *c = &u->counters[i];
	int ret = open_leader(p, u, i);

	if (ret)
		return refused(p, i, ret, false, err);
	struct perf_event_attr a = attr_of(p, i);
	int group = leader_of(p, u, i);
	if (group >= 0)
		a.disabled = 0; /* as its leader */
	c->fd = mp_perf_open(&a, u->tid, u->cpu, group);
	if (c->fd < 0)
		return refused(p, i, c->fd, group >= 0, err);
	if (ioctl(c->fd, PERF_EVENT_IOC_ID, &c->id) < 0 ||
	    (p->o.wants[i].is_sampled && ioctl(c->fd, PERF_EVENT_IOC_SET_OUTPUT, u->ring.fd) < 0))
		return refused(p, i, -errno, false, err);
	p->layouts[i] = layout_of(&a);
	return 0;
}

static int open_ring(struct mp_perf_plane *p, struct unit *u, struct mp_err *err)
{
	struct perf_event_attr a = ring_attr(p);
	int fd = mp_perf_open(&a, u->tid, u->cpu, -1);

	if (fd < 0)
		return mp_err_set(err, -fd, "cannot open events of thread %d: %s%s", u->tid, strerror(-fd),
		    fd == -EACCES || fd == -EPERM ? "; run as root, or give mpsample CAP_PERFMON" : "");
	p->ring_layout = layout_of(&a);
	int ret = mp_perf_ring_map(fd, p->ring_pages, &u->ring, err);
	if (ret) {
		close(fd);
		return ret;
	}
	struct epoll_event readable = {.events = EPOLLIN};
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &readable) < 0)
		return mp_err_set(err, errno, "cannot watch a perf ring: %s", strerror(errno));
	return 0;
}

static void switch_unit(const struct mp_perf_plane *p, const struct unit *u, unsigned long how)
{
	for (size_t i = 0; i < p->o.n; i++) {
		if (u->leaders[i] >= 0)
			ioctl(u->leaders[i], how, PERF_IOC_FLAG_GROUP);
		else if (u->counters[i].fd >= 0 && leader_of(p, u, i) < 0)
			ioctl(u->counters[i].fd, how, PERF_IOC_FLAG_GROUP);
	}
}

/* Which events are opened for a thread, and which for a CPU. */
static bool is_of_unit(const struct mp_perf_plane *p, const struct unit *u, size_t i)
{
	return p->o.wants[i].event.is_system_wide == (u->tid < 0);
}

static int add_unit(struct mp_perf_plane *p, pid_t tid, int cpu, struct mp_err *err)
{
	if (p->n_units == UNITS_MAX)
		return mp_err_set(err, E2BIG, "more than %d threads", UNITS_MAX);
	struct unit *u = calloc(1, sizeof(*u));
	if (!u || !mp_grow((void **)&p->units, &p->units_room, p->n_units + 1, sizeof(struct unit *))) {
		free(u);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	*u = (struct unit){.tid = tid, .cpu = cpu, .ring = {.fd = -1}};
	u->counters = calloc(p->o.n, sizeof(*u->counters));
	u->leaders = calloc(p->o.n, sizeof(*u->leaders));
	for (size_t i = 0; u->counters && u->leaders && i < p->o.n; i++)
		u->counters[i].fd = u->leaders[i] = -1;
	int ret = u->counters && u->leaders ? open_ring(p, u, err) : mp_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; !ret && i < p->o.n; i++)
		if (is_of_unit(p, u, i))
			ret = open_counter(p, u, i, err);
	if (ret) {
		close_unit(p, u);
		return ret;
	}
	p->units[p->n_units++] = u;
	if (p->is_enabled)
		switch_unit(p, u, PERF_EVENT_IOC_ENABLE);
	return 0;
}

static struct unit *unit_of(const struct mp_perf_plane *p, pid_t tid)
{
	for (size_t i = 0; i < p->n_units; i++)
		if (p->units[i]->tid == tid && !p->units[i]->has_ended)
			return p->units[i];
	return NULL;
}

/* ---- Beginning ---- */

struct threads {
	struct mp_perf_plane *plane;
	struct mp_err *err;
	int ret;
	size_t n, added;
};

static void count_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct threads *t = ctx;

	(void)tid, (void)comm, (void)start_ns;
	t->n++;
}

/* A thread may end while we come. */
static void add_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct threads *t = ctx;

	(void)comm, (void)start_ns;
	if (t->ret || unit_of(t->plane, tid))
		return;
	int ret = add_unit(t->plane, tid, -1, t->err);
	t->added += !ret;
	t->ret = ret == -ESRCH ? 0 : ret;
}

/* Until none has come meanwhile: what a thread makes before its own events are open is not told. */
static int add_threads(struct mp_perf_plane *p, struct mp_err *err)
{
	struct threads t = {.plane = p, .err = err};

	do {
		t.added = 0;
		mp_target_each_thread(p->o.pid, add_thread, &t);
	} while (!t.ret && t.added);
	return t.ret;
}

static int add_cpus(struct mp_perf_plane *p, struct mp_err *err)
{
	bool is_wanted = false;
	int ret = 0;

	for (size_t i = 0; i < p->o.n; i++)
		is_wanted |= p->o.wants[i].event.is_system_wide;
	for (int cpu = 0; is_wanted && !ret && cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		ret = add_unit(p, -1, cpu, err);
		if (ret == -ENODEV)
			ret = 0; /* the CPU is offline */
	}
	return ret;
}

static void choose_ring_pages(struct mp_perf_plane *p)
{
	struct threads t = {.n = 0};
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	mp_target_each_thread(p->o.pid, count_thread, &t);
	for (p->ring_pages = RING_PAGES_MAX; p->ring_pages > RING_PAGES_MIN; p->ring_pages /= 2)
		if ((t.n + 1) * p->ring_pages * page_bytes <= RINGS_BYTES_MAX)
			return;
}

int mp_perf_plane_open(const struct mp_perf_options *o, struct mp_perf_plane **out, struct mp_err *err)
{
	struct mp_perf_plane *p = calloc(1, sizeof(*p));

	if (!p)
		return mp_err_set(err, ENOMEM, "out of memory");
	p->o = *o;
	p->follows_data = mp_perf_wants_addresses(o->wants, o->n);
	choose_ring_pages(p);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int ret = p->epoll_fd < 0
		      ? mp_err_set(err, errno, "cannot open an epoll descriptor: %s", strerror(errno))
		      : add_threads(p, err);
	if (!ret)
		ret = add_cpus(p, err);
	if (ret) {
		mp_perf_plane_close(p);
		return ret;
	}
	p->cost_ns = mp_perf_sample_cost_ns(o->stack);
	*out = p;
	return 0;
}

void mp_perf_plane_close(struct mp_perf_plane *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_units; i++)
		close_unit(p, p->units[i]);
	free(p->units);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	free(p);
}

void mp_perf_plane_enable(struct mp_perf_plane *p)
{
	p->is_enabled = true;
	for (size_t i = 0; i < p->n_units; i++)
		switch_unit(p, p->units[i], PERF_EVENT_IOC_ENABLE);
}

void mp_perf_plane_disable(struct mp_perf_plane *p)
{
	p->is_enabled = false;
	for (size_t i = 0; i < p->n_units; i++)
		switch_unit(p, p->units[i], PERF_EVENT_IOC_DISABLE);
}

int mp_perf_plane_fd(const struct mp_perf_plane *p)
{
	return p->epoll_fd;
}

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
	    .has_addr = r->has & PERF_SAMPLE_ADDR && r->addr,
	    .addr = r->addr,
	    .period = r->period,
	    .weight = r->has & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT) && r->weight
			  ? (int64_t)r->weight
			  : -1,
	    .data_src = r->has & PERF_SAMPLE_DATA_SRC ? r->data_src : 0,
	    .is_write = is_write(event),
	    .quality = event->quality,
	    .chain = chain,
	    .n_chain = read_chain(&r->callchain, chain, MP_MAX_FRAMES)};

	if ((pid_t)r->pid != p->o.pid)
		return; /* of a CPU, another process */
	if (event->attr.precise_ip && !(r->misc & PERF_RECORD_MISC_EXACT_IP) &&
	    e.quality == MP_SAMPLE_PRECISE)
		e.quality = MP_SAMPLE_COUNTER;
	if (read_stack(r, &stack)) {
		e.stack = &stack;
		e.sp = stack.reg[MP_REG_SP];
	}
	p->samples[i]++;
	p->reading->counters[i].told += r->period;
	p->slot_samples++;
	mp_pipeline_sample(p->pipeline, &e);
}

static void take_fork(struct mp_perf_plane *p, const struct mp_perf_record *r)
{
	struct mp_err ignored;

	if ((pid_t)r->u.task.pid != p->o.pid || unit_of(p, (pid_t)r->u.task.tid))
		return;
	p->missed += add_unit(p, (pid_t)r->u.task.tid, -1, &ignored) != 0;
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

void mp_perf_plane_drain(struct mp_perf_plane *p, struct mp_pipeline *to)
{
	p->pipeline = to;
	/* New units come at the end meanwhile. */
	for (size_t i = 0; i < p->n_units; i++) {
		p->reading = p->units[i];
		mp_perf_ring_read(&p->reading->ring, take, p);
	}
	p->pipeline = NULL;
}

/* ---- Steering ---- */

static void set_period(struct mp_perf_plane *p, size_t i)
{
	uint64_t period = period_now(p, i);

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
		unsigned int before = p->steps[i];
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

static bool read_counter(struct counter *c)
{
	struct counts now = {0};

	if (c->fd < 0 || read(c->fd, &now, sizeof(now)) < (ssize_t)offsetof(struct counts, lost))
		return false;
	c->more = (struct counts){.value = now.value - c->last.value,
	    .enabled_ns = now.enabled_ns - c->last.enabled_ns,
	    .running_ns = now.running_ns - c->last.running_ns,
	    .lost = now.lost - c->last.lost};
	c->last = now;
	return true;
}

/*
 * A kernel that is asked for too many samples in a tick throttles the event: it counts on, and takes none. So
 * many samples are missing as there was more counted than samples tell; less than two periods are on their
 * way.
 */
static uint64_t throttled(const struct mp_perf_plane *p, struct counter *c, size_t i)
{
	const struct mp_perf_want *w = &p->o.wants[i];
	uint64_t period = period_now(p, i);

	c->told += c->more.lost * period;
	if (!w->is_sampled || w->event.attr.freq || c->last.value < c->told + 2 * period)
		return 0;
	uint64_t samples = (c->last.value - c->told) / period;
	c->told += samples * period;
	return samples;
}

/* As it would be, had it had a place in the hardware all the time. */
static uint64_t scaled(const struct counts *c)
{
	if (!c->running_ns || c->running_ns >= c->enabled_ns)
		return c->value;
	return (uint64_t)((double)c->value * (double)c->enabled_ns / (double)c->running_ns + 0.5);
}

static void read_unit(const struct mp_perf_plane *p, struct unit *u)
{
	for (size_t i = 0; i < p->o.n; i++)
		u->counters[i].is_read = read_counter(&u->counters[i]);
}

static void tell_unit_lost(struct mp_perf_plane *p, struct unit *u, struct mp_pipeline *to, int64_t t_ns)
{
	for (size_t i = 0; i < p->o.n; i++) {
		struct counter *c = &u->counters[i];
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

static int store_unit(const struct mp_perf_plane *p, const struct unit *u, struct mp_session *s,
    int64_t slot_ns, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < p->o.n; i++) {
		const struct counter *c = &u->counters[i];

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
			close_unit(p, p->units[i]);
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
	mp_pipeline_loss(to, t_ns, "perf records that are none", "events", p->bad);
	if (!ret && p->slot_samples)
		ret = mp_append_overhead(
		    s, slot_ns, "samples", p->slot_samples, p->slot_samples * p->cost_ns, err);
	p->missed = p->bad = p->slot_samples = 0;
	return ret;
}

bool mp_perf_wants_addresses(const struct mp_perf_want *wants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (wants[i].is_sampled && wants[i].event.attr.sample_type & PERF_SAMPLE_ADDR)
			return true;
	return false;
}
