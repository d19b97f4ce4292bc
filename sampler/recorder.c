/* SPDX-License-Identifier: MIT */
#include "sampler/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sampler/launch.h"
#include "sampler/sideband.h"
#include "sampler/tracefs.h"
#include "store/append.h"

#define NS_PER_S      1000000000LL
#define TICK_NS       (NS_PER_S / 10) /* rings are drained and what is kept is steered this often */
#define SLOT_NS       NS_PER_S        /* histograms are written and rows committed this often */
#define RESOLVE_NS    NS_PER_S        /* at most this often are new mappings searched for allocators, */
#define RESOLVE_SHARE 20              /* and for at most one part in so many of the time */

/* What becomes a row is bounded by rate, so that a session stays small and its cost known. */
#define SAMPLE_ROWS_PER_S    250
#define KERNEL_ROWS_PER_TICK 50   /* on average; bursts may have more */
#define FIRST_KEEP_OVER_NS   5000 /* until the distribution is known */
#define STEER_MIN_CALLS      1000 /* fewer calls say nothing about a p99.9 */

struct recorder {
	const struct mp_record_options *o;
	struct mp_session *session;
	struct mp_target target;
	struct mp_profiles profiles;
	struct mp_probe_set probes; /* all that were ever attached */
	struct mp_uprobe *uprobe;
	struct mp_sideband *sideband;
	struct mp_pipeline *pipeline;
	struct mp_latency *latency;
	struct mp_keep keep;
	bool is_child; /* the target was started by us */
	bool is_held;  /* and does not run yet */
	int signals;   /* signalfd */

	int64_t start_ns, slot_ns, resolved_ns, resolve_pause_ns;
	uint64_t slot_calls[MP_OP_COUNT];  /* so many are accounted for in `overhead` */
	uint64_t tick_calls;               /* all calls at the last tick */
	struct mp_uprobe_stats slot_stats; /* at the last slot */
	bool new_code;                     /* mapped, not yet searched */
	bool told_no_calls;
	const char *end_reason;
	char exit_detail[64]; /* how the target ended, where that is known */
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* ---- Beginning ---- */

static int open_target(struct recorder *r, struct mp_err *err)
{
	pid_t pid = r->o->pid;

	if (!pid) {
		int ret = mp_launch(r->o->command, &pid, err);
		if (ret)
			return ret;
		r->is_child = r->is_held = true;
	}
	int ret = mp_target_open(pid, &r->target, err);
	if (ret && r->is_held) {
		mp_launch_abandon(pid);
		r->is_held = false;
	}
	return ret;
}

static void add_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct recorder *r = ctx;
	mp_pipeline_thread(r->pipeline, tid, comm, start_ns);
}

static void add_mappings(struct recorder *r, int64_t t_ns)
{
	for (size_t i = 0; i < r->target.n_mappings; i++) {
		const struct mp_mapping *m = &r->target.mappings[i];
		if (m->is_exec)
			mp_pipeline_map(r->pipeline, m->start, m->end, m->file_offset, m->path, t_ns);
	}
}

static bool is_attached(const struct recorder *r, const struct mp_probe *p)
{
	for (size_t i = 0; i < r->probes.n; i++) {
		const struct mp_probe *q = &r->probes.probes[i];
		if (q->module_offset == p->module_offset && q->inode == p->inode &&
		    q->dev_major == p->dev_major && q->dev_minor == p->dev_minor)
			return true;
	}
	return false;
}

/* Attaches the probes of `set` that are not in yet, and remembers them. Returns how many. */
static int attach_new(struct recorder *r, struct mp_probe_set *set, struct mp_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (!is_attached(r, &set->probes[i]))
			set->probes[n++] = set->probes[i];
	if (!n)
		return 0;
	struct mp_probe *all = reallocarray(r->probes.probes, r->probes.n + n, sizeof(*all));
	if (!all)
		return mp_err_set(err, ENOMEM, "out of memory");
	r->probes.probes = all;
	int ret = mp_uprobe_attach(r->uprobe, set->probes, n, err);
	if (ret)
		return ret;
	memcpy(all + r->probes.n, set->probes, n * sizeof(*all));
	r->probes.n += n;
	return (int)n;
}

static int store_probes(struct recorder *r, size_t from, struct mp_err *err)
{
	for (size_t i = from; i < r->probes.n; i++) {
		const struct mp_probe *p = &r->probes.probes[i];
		struct mp_probe_row row = {
		    p->op, p->function, p->module, p->allocator, p->module_offset, p->skipped_bytes};
		int ret = mp_append_probe(r->session, &row, err);
		if (ret)
			return ret;
	}
	return 0;
}

static void cpu_model(char *buf, size_t size)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(buf, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) || !value)
			continue;
		snprintf(buf, size, "%s", value + 2);
		buf[strcspn(buf, "\n")] = 0;
		break;
	}
	if (f)
		fclose(f);
}

static int describe(struct recorder *r, struct mp_err *err)
{
	struct utsname host;
	char cpu[128];
	struct mp_session *s = r->session;
	const struct mp_floor *f = mp_uprobe_floor(r->uprobe);

	uname(&host);
	cpu_model(cpu, sizeof(cpu));
	if (mp_session_set(s, err, "pid", "%d", r->target.pid) ||
	    mp_session_set(s, err, "command", "%s", r->target.command) ||
	    mp_session_set(s, err, "exe", "%s", r->target.exe) ||
	    mp_session_set(s, err, "host", "%s", host.nodename) ||
	    mp_session_set(s, err, "kernel", "%s %s %s", host.sysname, host.release, host.machine) ||
	    mp_session_set(s, err, "cpu", "%s", cpu) || mp_session_set(s, err, "version", "%s", MP_VERSION) ||
	    mp_session_set(s, err, "options", "%s", r->o->options_text) ||
	    mp_session_set(s, err, "start_ns", "%" PRId64, r->start_ns) ||
	    mp_session_set(s, err, "planes", "uprobe,perf") ||
	    mp_session_set(s, err, "backend", "%s", mp_backend_name(mp_uprobe_backend(r->uprobe))) ||
	    mp_session_set(s, err, "probe", "all") || mp_session_set(s, err, "duty", "1.0") ||
	    mp_session_set(s, err, "floor_ns", "%" PRIu64, f->ns[0]) ||
	    mp_session_set(s, err, "floor_stepped_ns", "%" PRIu64, f->ns[1]) ||
	    mp_session_set(s, err, "cost_ns", "%" PRIu64, f->cost_ns[0]) ||
	    mp_session_set(s, err, "cost_stepped_ns", "%" PRIu64, f->cost_ns[1]))
		return -EIO;
	int ret = r->o->keep_over_ns < 0
		      ? mp_session_set(s, err, "keep_over_ns", "adaptive")
		      : mp_session_set(s, err, "keep_over_ns", "%" PRId64, r->o->keep_over_ns);
	return ret || !r->probes.uncovered[0]
		   ? ret
		   : mp_session_set(s, err, "not_covered", "%s", r->probes.uncovered);
}

static void first_keep(struct recorder *r)
{
	const struct mp_record_options *o = r->o;

	r->keep = (struct mp_keep){.full = o->full,
	    .stack = o->stack,
	    .sample_adaptive = o->sample_every < 0,
	    .over_adaptive = o->keep_over_ns < 0,
	    .sample_weight = o->sample_every < 0 ? 1 : (uint32_t)o->sample_every};
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		r->keep.over_ns[op] = o->keep_over_ns < 0 ? FIRST_KEEP_OVER_NS : (uint64_t)o->keep_over_ns;
}

static int block_signals(struct mp_err *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is then an error of write(), as a full disk is */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? mp_err_set(err, errno, "cannot open a signalfd: %s", strerror(errno)) : fd;
}

/* Files of the target stay open for their names, and a tracefs recording needs many perf events. */
static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

/*
 * Linux 6.11 to 6.12.13 and 6.13.0 to 6.13.2 return from probed functions by a system call of their own,
 * which seccomp filters of that time do not know: the first return would kill the target.
 */
static int refuse_deadly_kernel(const struct recorder *r, struct mp_err *err)
{
	struct utsname host;
	int major = 0, minor = 0, patch = 0;

	uname(&host);
	if (!r->target.has_seccomp_filter || sscanf(host.release, "%d.%d.%d", &major, &minor, &patch) < 2 ||
	    major != 6)
		return 0;
	if (minor == 11 || (minor == 12 && patch < 14) || (minor == 13 && patch < 3))
		return mp_err_set(err, ENOTSUP,
		    "process %d (%s) runs under a seccomp filter, and return probes of Linux %s would kill "
		    "it; "
		    "use a kernel of 6.12.14, 6.13.3 or later",
		    r->target.pid, r->target.comm, host.release);
	return 0;
}

/* Everything that can fail without a trace: nothing of the target is touched, the output has no name yet. */
static int prepare(struct recorder *r, struct mp_err *err)
{
	struct mp_probe_set found;
	int ret = r->signals = block_signals(err);

	if (ret >= 0)
		ret = mp_session_create(r->o->output, r->o->force, &r->session, err);
	if (!ret)
		ret = mp_profiles_load(&r->profiles, err);
	if (!ret)
		ret = open_target(r, err);
	if (!ret)
		ret = refuse_deadly_kernel(r, err);
	if (!ret)
		ret = mp_probe_resolve(&r->target, &r->profiles, &found, err);
	if (ret)
		return ret;

	first_keep(r);
	raise_file_limit();
	mp_tracefs_remove_leftovers();
	memcpy(r->probes.uncovered, found.uncovered, sizeof(found.uncovered));
	ret = mp_uprobe_open(r->o->backend, r->target.pid, &r->keep, &r->uprobe, err);
	if (!ret)
		ret = mp_sideband_open(r->target.pid, &r->sideband, err);
	if (!ret) {
		ret = attach_new(r, &found, err);
		ret = ret > 0 ? 0 : ret;
	}
	mp_probe_set_free(&found);
	return ret;
}

static int begin(struct recorder *r, struct mp_err *err)
{
	struct mp_hist_view view = mp_uprobe_hists(r->uprobe);
	int ret = mp_session_publish(r->session, err);

	if (ret)
		return ret;
	r->latency = mp_latency_new(&view);
	r->pipeline = mp_pipeline_new(r->session, r->target.pid);
	if (!r->latency || !r->pipeline)
		return mp_err_set(err, ENOMEM, "out of memory");

	/* Read again: it went on mapping while the probes went in. What comes from now on the sideband tells.
	 */
	r->start_ns = r->slot_ns = r->resolved_ns = now_ns();
	ret = mp_target_refresh(&r->target, err);
	if (!ret)
		ret = describe(r, err);
	if (!ret)
		ret = store_probes(r, 0, err);
	if (ret)
		return ret;
	mp_target_each_thread(r->target.pid, add_thread, r);
	add_mappings(r, r->start_ns);
	ret = mp_pipeline_commit(r->pipeline, r->start_ns, err);
	if (ret)
		return ret;
	mp_uprobe_drain(r->uprobe, r->pipeline, MP_KERNEL_CREDIT_MAX);
	mp_uprobe_stats(r->uprobe, &r->slot_stats);
	mp_uprobe_enable(r->uprobe);
	if (r->is_held) {
		r->is_held = false;
		ret = mp_launch_go(r->target.pid, err);
	}
	return ret;
}

static bool is_hot(unsigned int op)
{
	return op == MP_OP_MALLOC || op == MP_OP_CALLOC || op == MP_OP_REALLOC || op == MP_OP_FREE ||
	       op == MP_OP_NEW || op == MP_OP_DELETE;
}

/* What makes a recording dearer than it looks: probes in functions of the hot path that the kernel has to
 * single-step. */
static void tell_stepped(const struct recorder *r)
{
	char names[256] = "";
	size_t n = 0, stepped = 0;

	for (size_t i = 0; i < r->probes.n; i++) {
		const struct mp_probe *p = &r->probes.probes[i];
		if (!p->is_stepped || !is_hot(p->op))
			continue;
		int more = snprintf(names + n, sizeof(names) - n, "%s%s", stepped++ ? ", " : "", p->function);
		n = n + (size_t)more < sizeof(names) ? n + (size_t)more : sizeof(names) - 1;
	}
	if (stepped)
		fprintf(stderr,
		    "mpsample: %zu of %zu probes have to be single-stepped, at %" PRIu64 " ns a call: %s\n",
		    stepped, r->probes.n, mp_uprobe_floor(r->uprobe)->cost_ns[1], names);
}

/* BPF knows threads by the ids of the initial PID namespace (its inode is PROC_PID_INIT_INO of the kernel's
 * linux/proc_ns.h), /proc and perf by those of ours. */
static void tell_namespace(void)
{
	struct stat ns;

	if (!stat("/proc/self/ns/pid", &ns) && ns.st_ino != 0xeffffffcU)
		fprintf(stderr,
		    "mpsample: in a PID namespace of its own: thread ids of calls are the host's, and page "
		    "faults and switches are not seen; run it in the host's\n");
}

static void tell_begin(const struct recorder *r)
{
	fprintf(stderr,
	    "mpsample: recording process %d (%s) to %s: %zu probes by %s, floor %" PRIu64 " ns, cost %" PRIu64
	    " ns a call",
	    r->target.pid, r->target.comm, r->o->output, r->probes.n,
	    mp_backend_name(mp_uprobe_backend(r->uprobe)), mp_uprobe_floor(r->uprobe)->ns[0],
	    mp_uprobe_floor(r->uprobe)->cost_ns[0]);
	if (r->o->duration_ns)
		fprintf(stderr, ", for %g s\n", (double)r->o->duration_ns / NS_PER_S);
	else
		fprintf(stderr, ", until it ends or Ctrl-C\n");
	tell_stepped(r);
	tell_namespace();
	if (r->probes.uncovered[0])
		fprintf(stderr, "mpsample: not covered: %s\n", r->probes.uncovered);
}

/* ---- While it lasts ---- */

/* Outliers are what lies above the p99.9 of each operation's recent calls: about one in a thousand. */
static void steer_outliers(struct recorder *r)
{
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		if (mp_latency_recent_calls(r->latency, op) >= STEER_MIN_CALLS)
			r->keep.over_ns[op] = mp_latency_recent_quantile(r->latency, op, 0.999) + 1;
}

static void steer(struct recorder *r)
{
	uint64_t calls = mp_latency_calls_all(r->latency);
	uint64_t per_s = (calls - r->tick_calls) * (NS_PER_S / TICK_NS);

	r->tick_calls = calls;
	if (r->o->keep_over_ns < 0)
		steer_outliers(r);
	if (r->o->sample_every < 0) {
		/* Up at once, down by halves: the next burst of an uneven load finds it high. */
		uint64_t wanted = per_s / SAMPLE_ROWS_PER_S, half = r->keep.sample_weight / 2;
		r->keep.sample_weight = (uint32_t)(wanted > half ? wanted : half);
		if (!r->keep.sample_weight)
			r->keep.sample_weight = 1;
	}
	mp_uprobe_keep(r->uprobe, &r->keep);
}

static int store_clock(struct recorder *r, struct mp_err *err)
{
	struct timespec before, real, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &after);
	int64_t mono = (before.tv_sec + after.tv_sec) * NS_PER_S / 2 + (before.tv_nsec + after.tv_nsec) / 2;
	return mp_append_clock(r->session, mono, real.tv_sec * NS_PER_S + real.tv_nsec, err);
}

static int store_counter(struct recorder *r, const char *name, uint64_t value, struct mp_err *err)
{
	return value ? mp_append_counter(r->session, r->slot_ns, name, (int64_t)value, err) : 0;
}

static int store_stats(struct recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_uprobe_stats s, *last = &r->slot_stats;
	int ret = 0;

	mp_uprobe_stats(r->uprobe, &s);
	for (int k = 0; !ret && k < MP_KERNEL_KINDS; k++)
		ret = store_counter(
		    r, mp_kernel_kind_name(k), s.kernel_events[k] - last->kernel_events[k], err);
	if (!ret)
		ret =
		    store_counter(r, "kernel_events_not_kept", s.kernel_thinned - last->kernel_thinned, err);
	if (!ret)
		ret = store_counter(r, "nested_calls", s.nested - last->nested, err);

	bool by_ring = mp_uprobe_backend(r->uprobe) == MP_BACKEND_TRACEFS;
	mp_pipeline_loss(r->pipeline, now, by_ring ? "perf ring" : "thread state", "calls",
	    s.calls_lost - last->calls_lost);
	mp_pipeline_loss(r->pipeline, now, "no return seen", "calls", s.unpaired - last->unpaired);
	mp_pipeline_loss(r->pipeline, now, "call ring", "rows", s.rows_lost - last->rows_lost);
	mp_pipeline_loss(
	    r->pipeline, now, "kernel event ring", "events", s.kernel_rows_lost - last->kernel_rows_lost);
	*last = s;
	return ret;
}

/* What the probes of an operation cost: of several the dearest is assumed. */
static uint64_t cost_of(const struct recorder *r, unsigned int op)
{
	bool is_stepped = false;

	for (size_t i = 0; i < r->probes.n; i++)
		is_stepped |= r->probes.probes[i].op == op && r->probes.probes[i].is_stepped;
	return mp_uprobe_floor(r->uprobe)->cost_ns[is_stepped];
}

static int store_overhead(struct recorder *r, struct mp_err *err)
{
	uint64_t events = 0, cost_ns = 0;

	for (unsigned int op = 0; op < MP_OP_COUNT; op++) {
		uint64_t calls = mp_latency_calls(r->latency, op), more = calls - r->slot_calls[op];
		events += more;
		cost_ns += more ? more * cost_of(r, op) : 0;
		r->slot_calls[op] = calls;
	}
	return mp_append_overhead(r->session, r->slot_ns, "uprobe", events, cost_ns, err);
}

static int end_slot(struct recorder *r, int64_t now, struct mp_err *err)
{
	int ret = mp_latency_flush(r->latency, r->session, r->slot_ns, err);

	if (!ret)
		ret = store_clock(r, err);
	if (!ret)
		ret = store_stats(r, now, err);
	if (!ret)
		ret = store_overhead(r, err);
	if (!ret)
		ret = mp_pipeline_commit(r->pipeline, now, err);
	mp_latency_fade(r->latency);
	r->slot_ns = now;
	return ret;
}

/* The target mapped code, or is another program: probes go into what is new. A target that defines none (yet)
 * is no error here. */
static int look_at_new_code(struct recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_probe_set found;
	struct mp_err ignored;
	size_t before = r->probes.n;

	r->new_code = false;
	r->resolved_ns = now;
	if (mp_target_refresh(&r->target, &ignored) ||
	    mp_probe_resolve(&r->target, &r->profiles, &found, &ignored))
		return 0;
	int n = attach_new(r, &found, &ignored);
	mp_probe_set_free(&found);
	r->resolve_pause_ns = (now_ns() - now) * RESOLVE_SHARE;
	if (n < 0) { /* the library may be gone again: no reason to end */
		fprintf(stderr, "mpsample: %s; the recording goes on without these probes\n", ignored.text);
		mp_pipeline_mark(r->pipeline, now, 0, "probes failed", ignored.text);
		return 0;
	}
	if (n > 0)
		fprintf(stderr, "mpsample: %d more probes, first %s in %s\n", n,
		    r->probes.probes[before].function, r->probes.probes[before].module);
	return store_probes(r, before, err);
}

static void tell_progress(struct recorder *r, int64_t now)
{
	uint64_t calls = mp_latency_calls_all(r->latency);

	if (!r->told_no_calls && !calls && now - r->start_ns >= NS_PER_S) {
		r->told_no_calls = true;
		fprintf(stderr,
		    "mpsample: no allocation call in the first second: %s is idle, or allocates by means "
		    "that "
		    "are not probed (see v_probe)\n",
		    r->target.comm);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmpsample: %.0f s, %" PRIu64 " calls ",
		    (double)(now - r->start_ns) / NS_PER_S, calls);
}

static int tick(struct recorder *r, int64_t now, struct mp_err *err)
{
	struct mp_sideband_news news;
	int ret = 0;

	mp_sideband_drain(r->sideband, r->pipeline, &news);
	mp_uprobe_drain(r->uprobe, r->pipeline, KERNEL_ROWS_PER_TICK);
	mp_latency_poll(r->latency, false);
	steer(r);
	r->new_code = r->new_code || news.new_code || news.exec;
	if (r->new_code && now - r->resolved_ns >= RESOLVE_NS + r->resolve_pause_ns)
		ret = look_at_new_code(r, now, err);
	if (!ret && now - r->slot_ns >= SLOT_NS) {
		ret = end_slot(r, now, err);
		tell_progress(r, now);
	}
	return ret;
}

/* Why to end, or NULL to go on. */
static const char *wait_for_tick(struct recorder *r, int64_t until)
{
	struct pollfd fds[] = {
	    {.fd = r->signals, .events = POLLIN},
	    {.fd = r->target.pidfd, .events = POLLIN},
	    {.fd = mp_uprobe_fd(r->uprobe), .events = POLLIN},
	};
	int64_t now = now_ns();
	int ms = until > now ? (int)((until - now + 999999) / 1000000) : 0;

	if (poll(fds, sizeof(fds) / sizeof(*fds), ms) < 0 && errno != EINTR)
		return "failed";
	if (fds[0].revents)
		return "stopped";
	if (fds[1].revents)
		return "target exited";
	return NULL;
}

static int run(struct recorder *r, struct mp_err *err)
{
	int64_t end = r->o->duration_ns ? r->start_ns + r->o->duration_ns : INT64_MAX;
	int64_t next = r->start_ns + TICK_NS;
	int ret = 0;

	while (!ret && !r->end_reason) {
		r->end_reason = wait_for_tick(r, next < end ? next : end);
		int64_t now = now_ns();
		if (!r->end_reason && now >= end)
			r->end_reason = "duration";
		if (now >= next) {
			ret = tick(r, now, err);
			next = now + TICK_NS;
		} else if (!r->end_reason) {
			mp_uprobe_drain(
			    r->uprobe, r->pipeline, KERNEL_ROWS_PER_TICK); /* a ring asked for it */
		}
	}
	return ret;
}

/* ---- Ending ---- */

static void mark_exit(struct recorder *r, int64_t now)
{
	char *detail = r->exit_detail;
	const size_t size = sizeof(r->exit_detail);
	int status;

	if (strcmp(r->end_reason, "target exited"))
		return;
	snprintf(detail, size, "status unknown: not our child");
	if (r->is_child && waitpid(r->target.pid, &status, WNOHANG) == r->target.pid) {
		if (WIFSIGNALED(status))
			snprintf(detail, size, "killed by signal %d (%s)", WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
		else
			snprintf(detail, size, "exit status %d", WEXITSTATUS(status));
	}
	mp_pipeline_mark(r->pipeline, now, r->target.pid, "exit", detail);
}

static int finish(struct recorder *r, struct mp_err *err)
{
	struct mp_sideband_news news;
	int64_t now = now_ns();

	mp_uprobe_detach(r->uprobe);
	mp_uprobe_drain(r->uprobe, r->pipeline, 0);
	mp_sideband_drain(r->sideband, r->pipeline, &news);
	mp_latency_poll(r->latency, true);
	mark_exit(r, now);
	int ret = end_slot(r, now, err);
	if (!ret)
		ret = mp_pipeline_symbolize(r->pipeline, mp_profile_is_wrapper, &r->profiles, err);
	if (!ret)
		ret = mp_session_set(r->session, err, "end_ns", "%" PRId64, now);
	if (!ret)
		ret = mp_session_set(r->session, err, "duration_ns", "%" PRId64, now - r->start_ns);
	if (!ret)
		ret = mp_session_set(r->session, err, "end_reason", "%s", r->end_reason);
	return ret;
}

static void tell_end(const struct recorder *r)
{
	struct mp_pipeline_totals t;

	mp_pipeline_totals(r->pipeline, &t);
	fprintf(stderr, "%smpsample: %s%s%s%s after %.1f s: %" PRIu64 " calls counted, %" PRIu64 " rows kept",
	    isatty(STDERR_FILENO) ? "\n" : "", r->end_reason, r->is_child && *r->exit_detail ? " (" : "",
	    r->is_child ? r->exit_detail : "", r->is_child && *r->exit_detail ? ")" : "",
	    (double)(now_ns() - r->start_ns) / NS_PER_S, mp_latency_calls_all(r->latency), t.rows);
	if (t.calls_lost || t.rows_lost || t.events_lost)
		fprintf(stderr,
		    "; LOST %" PRIu64 " calls, %" PRIu64 " rows, %" PRIu64
		    " other events (mpsample report loss %s)\n",
		    t.calls_lost, t.rows_lost, t.events_lost, r->o->output);
	else
		fprintf(stderr, ", nothing lost; mpsample report summary %s\n", r->o->output);
}

static void close_all(struct recorder *r)
{
	if (r->is_held)
		mp_launch_abandon(r->target.pid);
	mp_uprobe_close(r->uprobe);
	mp_sideband_close(r->sideband);
	mp_latency_free(r->latency);
	mp_pipeline_free(r->pipeline);
	mp_probe_set_free(&r->probes);
	mp_profiles_free(&r->profiles);
	mp_target_close(&r->target);
	if (r->signals >= 0)
		close(r->signals);
}

int mp_record(const struct mp_record_options *o, struct mp_err *err)
{
	struct recorder r = {.o = o, .signals = -1, .target = {.pidfd = -1}};
	int ret = prepare(&r, err);

	if (!ret)
		ret = begin(&r, err);
	if (!ret) {
		tell_begin(&r);
		ret = run(&r, err);
		if (ret)
			r.end_reason = "failed";
		/* Also after a failure: what can still be named and written is. */
		struct mp_err ignored;
		int finished = finish(&r, ret ? &ignored : err);
		ret = ret ? ret : finished;
	}
	struct mp_err ignored;
	int closed = r.session ? mp_session_close(r.session, ret ? &ignored : err) : 0;
	if (!ret)
		ret = closed;
	if (!ret)
		tell_end(&r);
	close_all(&r);
	return ret;
}
