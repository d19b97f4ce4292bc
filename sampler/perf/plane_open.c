/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "sampler/grow.h"
#include "sampler/perf/cost.h"
#include "sampler/perf/plane_priv.h"
#include "sampler/perf/regs.h"
#include "sampler/target.h"

/* Locked memory of all rings together, and of one. */
#define RINGS_BYTES_MAX (64u << 20)
#define RING_PAGES_MAX  256
#define RING_PAGES_MIN  8

/* Threads whose events are open: each takes a descriptor an event. */
#define UNITS_MAX 8192

/* So much of a stack comes with a sample. */
#define STACK_BYTES 4096

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

uint64_t mp_perf_period_now(const struct mp_perf_plane *p, size_t i)
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
		a.sample_period = mp_perf_period_now(p, i);
	/* With PERIOD the kernel makes a sample of each event that it counts itself, whatever the period. */
	if ((a.type == PERF_TYPE_SOFTWARE || a.type == PERF_TYPE_BREAKPOINT))
		a.sample_type ^= PERF_SAMPLE_PERIOD | PERF_SAMPLE_READ;
	if (!w->event.is_aux) {
		add_stack(p, &a);
		return a;
	}
	a.sample_type = PERF_SAMPLE_TIME; /* as mp_perf_aux_drain() wants it */
	a.aux_watermark = MP_PERF_AUX_BYTES / 4;
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

void mp_perf_close_unit(struct mp_perf_plane *p, struct mp_perf_unit *u)
{
	for (size_t i = 0; u->counters && i < p->o.n; i++) {
		if (u->counters[i].aux)
			mp_perf_aux_close(u->counters[i].aux);
		else if (u->counters[i].fd >= 0)
			close(u->counters[i].fd);
		free(u->counters[i].aux);
	}
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
	if (code == -ENOSPC && e->attr.type == PERF_TYPE_BREAKPOINT)
		return mp_err_set(err, -code,
		    "event %s: the CPU watches so many addresses already (x86-64 has 4); ask for fewer of "
		    "mem:ADDR",
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

static int leader_of(const struct mp_perf_plane *p, const struct mp_perf_unit *u, size_t i)
{
	for (size_t k = 0; k < i && p->o.wants[i].group; k++)
		if (p->o.wants[k].group == p->o.wants[i].group)
			return u->counters[k].fd;
	return u->leaders[i];
}

/* The event by which a CPU gives latencies at all. */
static int open_leader(const struct mp_perf_plane *p, struct mp_perf_unit *u, size_t i)
{
	struct perf_event_attr a = p->o.wants[i].event.leader;

	if (!p->o.wants[i].event.has_leader)
		return 0;
	a.disabled = 1;
	a.sample_type = PERF_SAMPLE_IDENTIFIER;
	u->leaders[i] = mp_perf_open(&a, u->tid, u->cpu, -1);
	return u->leaders[i] < 0 ? u->leaders[i] : 0;
}

static int watch_fd(const struct mp_perf_plane *p, int fd, struct mp_err *err)
{
	struct epoll_event readable = {.events = EPOLLIN};

	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &readable) < 0)
		return mp_err_set(err, errno, "cannot watch a perf ring: %s", strerror(errno));
	return 0;
}

static int open_aux(const struct mp_perf_plane *p, struct mp_perf_counter *c, struct mp_err *err)
{
	struct mp_perf_aux *aux = calloc(1, sizeof(*aux));

	if (!aux)
		return mp_err_set(err, ENOMEM, "out of memory");
	c->aux = aux;
	int ret = mp_perf_aux_open(c->fd, aux, err);
	return ret ? ret : watch_fd(p, c->fd, err);
}

static int open_counter(struct mp_perf_plane *p, struct mp_perf_unit *u, size_t i, struct mp_err *err)
{
	struct mp_perf_counter *c = &u->counters[i];
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
	if (p->o.wants[i].event.is_aux)
		return open_aux(p, c, err);
	if (ioctl(c->fd, PERF_EVENT_IOC_ID, &c->id) < 0 ||
	    (p->o.wants[i].is_sampled && ioctl(c->fd, PERF_EVENT_IOC_SET_OUTPUT, u->ring.fd) < 0))
		return refused(p, i, -errno, false, err);
	p->layouts[i] = layout_of(&a);
	return 0;
}

static int open_ring(struct mp_perf_plane *p, struct mp_perf_unit *u, struct mp_err *err)
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
	return watch_fd(p, fd, err);
}

static void switch_unit(const struct mp_perf_plane *p, const struct mp_perf_unit *u, unsigned long how)
{
	for (size_t i = 0; i < p->o.n; i++) {
		if (u->leaders[i] >= 0)
			ioctl(u->leaders[i], how, PERF_IOC_FLAG_GROUP);
		else if (u->counters[i].fd >= 0 && leader_of(p, u, i) < 0)
			ioctl(u->counters[i].fd, how, PERF_IOC_FLAG_GROUP);
	}
}

/* Which events are opened for a thread, and which for a CPU. */
static bool is_of_unit(const struct mp_perf_plane *p, const struct mp_perf_unit *u, size_t i)
{
	return p->o.wants[i].event.is_system_wide == (u->tid < 0);
}

int mp_perf_add_unit(struct mp_perf_plane *p, pid_t tid, int cpu, struct mp_err *err)
{
	if (p->n_units == UNITS_MAX)
		return mp_err_set(err, E2BIG, "more than %d threads", UNITS_MAX);
	struct mp_perf_unit *u = calloc(1, sizeof(*u));
	if (!u ||
	    !mp_grow((void **)&p->units, &p->units_room, p->n_units + 1, sizeof(struct mp_perf_unit *))) {
		free(u);
		return mp_err_set(err, ENOMEM, "out of memory");
	}
	*u = (struct mp_perf_unit){.tid = tid, .cpu = cpu, .ring = {.fd = -1}};
	u->counters = calloc(p->o.n, sizeof(*u->counters));
	u->leaders = calloc(p->o.n, sizeof(*u->leaders));
	for (size_t i = 0; u->counters && u->leaders && i < p->o.n; i++)
		u->counters[i].fd = u->leaders[i] = -1;
	int ret = u->counters && u->leaders ? open_ring(p, u, err) : mp_err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; !ret && i < p->o.n; i++)
		if (is_of_unit(p, u, i))
			ret = open_counter(p, u, i, err);
	if (ret) {
		mp_perf_close_unit(p, u);
		return ret;
	}
	p->units[p->n_units++] = u;
	if (p->is_enabled)
		switch_unit(p, u, PERF_EVENT_IOC_ENABLE);
	return 0;
}

struct mp_perf_unit *mp_perf_unit_of(const struct mp_perf_plane *p, pid_t tid)
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
	if (t->ret || mp_perf_unit_of(t->plane, tid))
		return;
	int ret = mp_perf_add_unit(t->plane, tid, -1, t->err);
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
		ret = mp_perf_add_unit(p, -1, cpu, err);
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
		mp_perf_close_unit(p, p->units[i]);
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
