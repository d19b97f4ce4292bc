/* SPDX-License-Identifier: MIT */
#include "sampler/uprobe/uprobe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct mp_uprobe {
	const struct mp_uprobe_ops *ops;
	void *impl;
	pid_t pid;
	struct mp_uprobe_options options;
	bool is_joined; /* kernel events with calls from elsewhere */
	struct mp_keep keep;
	struct mp_floor floor;
};

static const struct mp_uprobe_ops *const backends[] = {
    &mp_uprobe_session, &mp_uprobe_multi, &mp_uprobe_tracefs};
static const size_t n_backends = sizeof(backends) / sizeof(*backends);

static const char *const names[] = {"auto", "session", "multi", "tracefs"};

int mp_backend_parse(const char *text, enum mp_backend *out, struct mp_err *err)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			*out = (enum mp_backend)i;
			return 0;
		}
	}
	return mp_err_set(err, EINVAL, "no backend '%s': use auto, session, multi or tracefs", text);
}

const char *mp_backend_name(enum mp_backend backend)
{
	return names[backend];
}

/*
 * Functions to be probed: one begins with an instruction that the kernel emulates, as most allocation
 * functions do, one with an instruction that it single-steps. In assembly, so that they have this shape with
 * every compiler and option, and are not inlined, merged or moved.
 */
void mp_calibration_emulated(void);
void mp_calibration_stepped(void);

#ifdef __x86_64__
#define EMULATED "push %rbp\n\tpop %rbp\n"
#define STEPPED  "mov %rdi, %rax\n"
#else
#define EMULATED "nop\n"
#define STEPPED  "mov x9, x0\n"
#endif

#define CALIBRATION_FUNCTION(name, body)                                                                     \
	".p2align 4\n"                                                                                       \
	".type " name ", @function\n" name ":\n\t" body "\tret\n"                                            \
	".size " name ", . - " name "\n"

__asm__(".text\n" CALIBRATION_FUNCTION("mp_calibration_emulated", EMULATED)
	CALIBRATION_FUNCTION("mp_calibration_stepped", STEPPED));

/* Rounds, spread over a tenth of a second because machines are not equally fast all the time; their median
 * counts. */
#define CALIBRATION_ROUNDS   7
#define CALIBRATION_CALLS    500
#define CALIBRATION_PAUSE_NS 15000000

static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/*
 * A program works between its allocations, and its data takes the place of the kernel's in the first-level
 * cache: a trap is then slower than in an idle loop. So the loop works, too.
 */
#define WORK_BYTES 32768
#define LINE_BYTES 64

static void work(void)
{
	static volatile unsigned char data[WORK_BYTES];

	for (size_t i = 0; i < WORK_BYTES; i += LINE_BYTES)
		data[i]++;
}

struct run {
	void (*function)(void);
	uint64_t ns;
};

static void *run_loop(void *arg)
{
	struct run *run = arg;
	uint64_t start = thread_cpu_ns();

	for (int i = 0; i < CALIBRATION_CALLS; i++) {
		work();
		run->function();
	}
	run->ns = thread_cpu_ns() - start;
	return NULL;
}

/* In a thread of its own: kernels before 6.10 let some multi-links see the main thread only, which has to be
 * noticed. 0: there is no thread to be had. */
static uint64_t run_calibration(void (*function)(void))
{
	struct run run = {.function = function};
	pthread_t thread;

	if (!pthread_create(&thread, NULL, run_loop, &run))
		pthread_join(thread, NULL);
	return run.ns;
}

struct calibration {
	uint64_t floor_ns[CALIBRATION_ROUNDS], spread_ns[CALIBRATION_ROUNDS], cost_ns[CALIBRATION_ROUNDS],
	    skip_ns[CALIBRATION_ROUNDS];
};

static int calibration_round(struct mp_uprobe *u, void (*function)(void), struct mp_latency_calibration *out,
    uint64_t *probed_ns, struct mp_err *err)
{
	struct mp_hist_view view = u->ops->hists(u->impl);

	mp_latency_calibration_reset(&view);
	u->ops->enable(u->impl, true, 0, 0);
	*probed_ns = run_calibration(function);
	u->ops->enable(u->impl, false, 0, 0);
	while (u->ops->drain(u->impl, NULL, 0))
		;

	*out = mp_latency_calibration(&view);
	if (out->calls != CALIBRATION_CALLS)
		return mp_err_set(err, EIO,
		    "backend %s saw %llu of %d calls of a function of mpsample's own: it cannot be trusted "
		    "on this "
		    "kernel, choose another with --backend",
		    mp_backend_name(u->ops->backend), (unsigned long long)out->calls, CALIBRATION_CALLS);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *values)
{
	qsort(values, CALIBRATION_ROUNDS, sizeof(*values), by_value);
	return values[CALIBRATION_ROUNDS / 2];
}

static int calibrate_with(struct mp_uprobe *u, void (*function)(void), int which, struct mp_err *err)
{
	static const struct timespec pause = {.tv_nsec = CALIBRATION_PAUSE_NS};
	struct mp_probe probe;
	struct calibration c;
	int ret = mp_probe_on_self(function, &probe, err);

	if (ret)
		return ret;
	uint64_t plain_ns = run_calibration(function);
	if (!plain_ns)
		return mp_err_set(err, EAGAIN, "cannot start a thread to measure on it what probes cost");
	ret = u->ops->attach(u->impl, getpid(), MP_PROBES_ALWAYS, &probe, 1, err);
	for (int i = 0; !ret && i < CALIBRATION_ROUNDS; i++) {
		struct mp_latency_calibration seen = {0};
		uint64_t probed_ns;
		nanosleep(&pause, NULL);
		ret = calibration_round(u, function, &seen, &probed_ns, err);
		c.floor_ns[i] = seen.p50_ns;
		c.spread_ns[i] = seen.p99_ns - seen.p50_ns;
		c.cost_ns[i] = probed_ns > plain_ns ? (probed_ns - plain_ns) / CALIBRATION_CALLS : 0;
		uint64_t skipped_ns = run_calibration(function); /* nothing is enabled */
		c.skip_ns[i] = skipped_ns > plain_ns ? (skipped_ns - plain_ns) / CALIBRATION_CALLS : 0;
	}
	u->ops->detach(u->impl);
	if (ret)
		return ret;
	u->floor.ns[which] = median(c.floor_ns);
	u->floor.spread_ns[which] = median(c.spread_ns);
	u->floor.cost_ns[which] = median(c.cost_ns);
	u->floor.skip_cost_ns[which] = median(c.skip_ns);
	return 0;
}

static int calibrate(struct mp_uprobe *u, struct mp_err *err)
{
	struct mp_keep none = {0};
	struct mp_floor zero = {0};

	u->floor = zero;
	memset(none.over_ns, 0xff, sizeof(none.over_ns));
	u->ops->keep(u->impl, &none, &zero);
	int ret = calibrate_with(u, mp_calibration_emulated, 0, err);
	return ret ? ret : calibrate_with(u, mp_calibration_stepped, 1, err);
}

static int open_backend(struct mp_uprobe *u, const struct mp_uprobe_ops *ops, struct mp_err *err)
{
	int ret = ops->open(&u->options, &u->impl, err);

	if (ret)
		return ret;
	u->ops = ops;
	ret = calibrate(u, err);
	if (ret)
		ops->close(u->impl);
	return ret;
}

/* When none works, the reason of the best is the one that helps: the later ones repeat it. */
static int open_first_that_works(struct mp_uprobe *u, enum mp_backend want, struct mp_err *err)
{
	int first_failure = 0;

	for (size_t i = 0; i < n_backends; i++) {
		struct mp_err this;

		if (want != MP_BACKEND_AUTO && want != backends[i]->backend)
			continue;
		int ret = open_backend(u, backends[i], &this);
		if (!ret)
			return 0;
		if (!first_failure) {
			first_failure = ret;
			*err = this;
		}
	}
	return first_failure;
}

int mp_uprobe_open(
    const struct mp_uprobe_options *o, const struct mp_keep *keep, struct mp_uprobe **out, struct mp_err *err)
{
	struct mp_uprobe *u = calloc(1, sizeof(*u));

	if (!u)
		return mp_err_set(err, ENOMEM, "out of memory");
	u->pid = o->pid;
	u->options = *o;
	u->keep = *keep;

	int ret = open_first_that_works(u, o->want, err);
	if (ret) {
		free(u);
		return ret;
	}
	*out = u;
	return 0;
}

/* Not by `tracefs`: it needs more privilege than BPF does, and one event a thread. */
int mp_uprobe_open_beside(
    pid_t pid, enum mp_watch watch, bool for_spans, struct mp_uprobe **out, struct mp_err *err)
{
	struct mp_uprobe *u = calloc(1, sizeof(*u));
	struct mp_err first;

	if (!u)
		return mp_err_set(err, ENOMEM, "out of memory");
	u->pid = pid;
	u->options = (struct mp_uprobe_options){.pid = pid, .watch = watch};
	u->is_joined = true;
	u->ops = &mp_uprobe_session;
	int ret = u->ops->open(&u->options, &u->impl, &first);
	if (ret) {
		u->ops = &mp_uprobe_multi;
		ret = u->ops->open(&u->options, &u->impl, NULL);
	}
	if (ret) {
		if (err)
			*err = first;
		free(u);
		return ret;
	}
	/* Spans are probed with multi-links, whichever backend it is. */
	ret = for_spans ? calibrate(u, err) : 0;
	if (ret) {
		mp_uprobe_close(u);
		return ret;
	}
	*out = u;
	return 0;
}

/* Of a probe on an instruction. Half of a call's cost is each of its two traps; what stepping costs more than
 * emulating is known from entries. */
static uint64_t probe_cost_ns(const struct mp_uprobe *u, bool is_stepped)
{
	uint64_t emulated = u->floor.cost_ns[0] / 2;

	if (u->floor.cost_ns[1] < emulated)
		return 0;
	return is_stepped ? u->floor.cost_ns[1] - emulated : emulated;
}

uint64_t mp_uprobe_marker_cost_ns(const struct mp_uprobe *u)
{
	uint64_t half = u->floor.cost_ns[0] / 2;

	return u->floor.skip_cost_ns[0] > half ? u->floor.skip_cost_ns[0] : half;
}

uint64_t mp_uprobe_span_cost_ns(const struct mp_uprobe *u, const struct mp_span_function *f)
{
	return probe_cost_ns(u, f->is_stepped) + probe_cost_ns(u, f->n_ends != 0);
}

/* Ends are `ret` nearly always, which is stepped. */
uint64_t mp_uprobe_pool_cost_ns(const struct mp_uprobe *u, const struct mp_pool_function *f)
{
	return probe_cost_ns(u, f->is_stepped) +
	       (f->wants_return ? probe_cost_ns(u, !f->by_return_probe) : 0);
}

uint64_t mp_uprobe_pool_calls(const struct mp_uprobe *u, size_t i)
{
	return u->ops->pool_calls ? u->ops->pool_calls(u->impl, i) : 0;
}

uint64_t mp_uprobe_pool_chain_ns(const struct mp_uprobe *u, size_t i)
{
	return u->ops->pool_chain_ns ? u->ops->pool_chain_ns(u->impl, i) : 0;
}

uint64_t mp_uprobe_span_calls(const struct mp_uprobe *u, size_t i)
{
	return u->ops->span_calls ? u->ops->span_calls(u->impl, i) : 0;
}

enum mp_backend mp_uprobe_backend(const struct mp_uprobe *u)
{
	return u->ops->backend;
}

const struct mp_floor *mp_uprobe_floor(const struct mp_uprobe *u)
{
	return &u->floor;
}

int mp_uprobe_attach(struct mp_uprobe *u, enum mp_probe_group group, const struct mp_probe *probes, size_t n,
    struct mp_err *err)
{
	u->ops->keep(
	    u->impl, &u->keep, &u->floor); /* a backend may have to know now whether stacks are wanted */
	return u->ops->attach(u->impl, u->pid, group, probes, n, err);
}

bool mp_uprobe_can_switch(const struct mp_uprobe *u)
{
	return u->ops->detach_group;
}

void mp_uprobe_detach_group(struct mp_uprobe *u, enum mp_probe_group group)
{
	u->ops->detach_group(u->impl, group);
}

void mp_uprobe_window(struct mp_uprobe *u, bool open, int64_t since_ns)
{
	u->ops->window(u->impl, open, since_ns);
}

void mp_uprobe_slow_open(struct mp_uprobe *u, bool open)
{
	u->ops->slow_open(u->impl, open);
}

void mp_uprobe_slow_callers(struct mp_uprobe *u, const struct mp_bpf_slow_caller *callers, size_t n)
{
	u->ops->slow_callers(u->impl, callers, n);
}

uint64_t mp_uprobe_slow_hits(const struct mp_uprobe *u, size_t i)
{
	return u->ops->slow_hits(u->impl, i);
}

void mp_uprobe_skipped(const struct mp_uprobe *u, enum mp_probe_group group, uint64_t out[static 2])
{
	out[0] = out[1] = 0;
	if (u->ops->skipped)
		u->ops->skipped(u->impl, group, out);
}

int mp_uprobe_attach_spans(struct mp_uprobe *u, const struct mp_span_set *set, struct mp_err *err)
{
	if (!u->ops->attach_spans)
		return mp_err_set(err, ENOTSUP,
		    "--spans needs BPF, which backend %s is without: use --backend session or multi",
		    mp_backend_name(u->ops->backend));
	u->ops->keep(u->impl, &u->keep, &u->floor);
	return u->ops->attach_spans(u->impl, u->pid, set, err);
}

bool mp_uprobe_follows_pools(const struct mp_uprobe *u)
{
	return u->ops->attach_pools;
}

int mp_uprobe_attach_pools(
    struct mp_uprobe *u, const struct mp_pool_set *set, size_t from, struct mp_err *err)
{
	if (!u->ops->attach_pools)
		return mp_err_set(err, ENOTSUP,
		    "functions of pools need BPF, which backend %s is without: use --backend session or "
		    "multi",
		    mp_backend_name(u->ops->backend));
	u->ops->keep(u->impl, &u->keep, &u->floor);
	return u->ops->attach_pools(u->impl, u->pid, set, from, err);
}

bool mp_uprobe_follows_gc(const struct mp_uprobe *u)
{
	return u->ops->attach_gc;
}

int mp_uprobe_attach_gc(struct mp_uprobe *u, const struct mp_gc_set *set, size_t from, struct mp_err *err)
{
	if (!u->ops->attach_gc)
		return mp_err_set(err, ENOTSUP,
		    "garbage collections need BPF, which backend %s is without: use --backend session or "
		    "multi",
		    mp_backend_name(u->ops->backend));
	u->ops->keep(u->impl, &u->keep, &u->floor);
	return u->ops->attach_gc(u->impl, u->pid, set, from, err);
}

/* What it adds to a hit to count by class: measured, on a virtual machine of 2 cores. */
#define BY_CLASS_NS 110

uint64_t mp_uprobe_gc_cost_ns(const struct mp_uprobe *u, const struct mp_gc_point *p)
{
	return probe_cost_ns(u, p->is_stepped) + (p->by_return_probe ? probe_cost_ns(u, false) : 0) +
	       (p->klass.from != MP_FETCH_NOTHING ? BY_CLASS_NS : 0);
}

uint64_t mp_uprobe_gc_hits(const struct mp_uprobe *u, size_t i)
{
	return u->ops->gc_hits ? u->ops->gc_hits(u->impl, i) : 0;
}

uint64_t mp_uprobe_gc_allocated(const struct mp_uprobe *u, size_t runtime)
{
	return u->ops->gc_allocated ? u->ops->gc_allocated(u->impl, runtime) : 0;
}

void mp_uprobe_gc_classes(
    struct mp_uprobe *u, void (*take)(void *ctx, const struct mp_gc_given *g), void *ctx)
{
	if (u->ops->gc_classes)
		u->ops->gc_classes(u->impl, take, ctx);
}

void mp_uprobe_gauges(struct mp_uprobe *u, struct mp_pipeline *p)
{
	if (u->ops->gauges)
		u->ops->gauges(u->impl, p);
}

void mp_uprobe_counter(struct mp_uprobe *u, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr)
{
	if (u->ops->counter)
		u->ops->counter(u->impl, tid, calls_addr, calls_ns_addr);
}

void mp_uprobe_enable(struct mp_uprobe *u)
{
	u->ops->keep(u->impl, &u->keep, &u->floor);
	u->ops->enable(u->impl, true, u->pid, u->is_joined ? MP_HAND_OVER_NS : 0);
}

void mp_uprobe_keep(struct mp_uprobe *u, const struct mp_keep *keep)
{
	u->keep = *keep;
	u->ops->keep(u->impl, keep, &u->floor);
}

struct mp_hist_view mp_uprobe_hists(const struct mp_uprobe *u)
{
	return u->ops->hists(u->impl);
}

void mp_uprobe_split(struct mp_uprobe *u, uint64_t split)
{
	u->ops->split(u->impl, split);
}

void mp_uprobe_stats(struct mp_uprobe *u, struct mp_uprobe_stats *out)
{
	memset(out, 0, sizeof(*out));
	u->ops->stats(u->impl, out);
}

uint32_t mp_uprobe_sees(const struct mp_uprobe *u)
{
	return u->ops->sees(u->impl);
}

struct mp_kernel_cost mp_uprobe_kernel_cost(const struct mp_uprobe *u)
{
	return u->ops->kernel_cost ? u->ops->kernel_cost(u->impl) : (struct mp_kernel_cost){0};
}

int mp_uprobe_fd(const struct mp_uprobe *u)
{
	return u->ops->fd(u->impl);
}

bool mp_uprobe_drain(struct mp_uprobe *u, struct mp_pipeline *p, int64_t kernel_credit)
{
	return u->ops->drain(u->impl, p, kernel_credit);
}

int64_t mp_uprobe_known_ns(const struct mp_uprobe *u, int64_t began_ns)
{
	return u->ops->known_ns ? u->ops->known_ns(u->impl) : began_ns;
}

void mp_uprobe_detach(struct mp_uprobe *u)
{
	/* Probes go one after the other: without this, a call whose own probe is gone would seem to be left
	 * by the next call of a function whose probe is not. */
	u->ops->enable(u->impl, false, 0, 0);
	u->ops->detach(u->impl);
}

void mp_uprobe_close(struct mp_uprobe *u)
{
	if (!u)
		return;
	u->ops->close(u->impl);
	free(u);
}
