/* SPDX-License-Identifier: MIT */
#include "sampler/recorder/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler/components/classify.h"
#include "sampler/files.h"
#include "sampler/launch.h"
#include "sampler/naming.h"
#include "sampler/recorder/gc.h"
#include "sampler/recorder/phases.h"
#include "sampler/recorder/pools.h"
#include "sampler/recorder/private.h"
#include "symbolize/unwind/cfi.h"

#define TICK_NS    (NS_PER_S / 10) /* histograms are read and what is kept is steered this often */
#define SLOT_NS    NS_PER_S        /* histograms are written and rows committed this often */
#define RESOLVE_NS NS_PER_S        /* at most this often are new mappings searched for allocators */

/* The library's rings hold some thousand records and some dozen stacks: a burst shall not fill one between
 * two looks. More often with every call a record, and before it is known how many are to be kept. */
#define DRAIN_NS      (NS_PER_S / 250)
#define DRAIN_MUCH_NS (NS_PER_S / 1000)

/* Perf events of a thread begin when its making is seen. */
#define DRAIN_PERF_NS (NS_PER_S / 100)

/* A call that has returned may not be in its ring yet: its thread lost the CPU on the way. */
#define SETTLE_NS (NS_PER_S / 5)

/* A program that is started by exec makes its region when it first allocates. */
#define FOLLOW_NS (5 * NS_PER_S)

/* So long a recording waits for unwind tables before it begins: what is not ready by then comes in the
 * background. */
#define PREPARE_MS 1000

/* What becomes a row is bounded by rate, so that a session stays small and its cost known. */
#define SAMPLE_ROWS_PER_S    250
#define KERNEL_ROWS_PER_TICK 50   /* on average; bursts may have more */
#define FIRST_KEEP_OVER_NS   5000 /* until the distribution is known */
#define STEER_MIN_CALLS      1000 /* fewer calls say nothing about a p99.9 */

/* ---- Beginning ---- */

static void first_keep(struct mp_recorder *r)
{
	const struct mp_record_options *o = r->o;

	r->keep = (struct mp_keep){.full = o->full,
	    .track = mp_perf_wants_addresses(o->wants, o->n_wants) || o->track == MP_TRACK_ALL,
	    .track_all = o->track == MP_TRACK_ALL,
	    .stack = o->stack,
	    .sample_adaptive = o->sample_every < 0,
	    .over_adaptive = o->keep_over_ns < 0,
	    .sample_weight = o->sample_every < 0 ? 1 : (uint32_t)o->sample_every};
	for (unsigned int row = 0; row < MP_OP_ROWS; row++)
		r->keep.over_ns[row] = o->keep_over_ns < 0 ? FIRST_KEEP_OVER_NS : (uint64_t)o->keep_over_ns;
}

static int block_signals(struct mp_err *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(
	    SIGCHLD, SIG_DFL); /* whoever started us may ignore it: then nobody's end could be waited for */
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is then an error of write(), as a full disk is */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? mp_err_set(err, errno, "cannot open a signalfd: %s", strerror(errno)) : fd;
}

static struct mp_symbolizer *open_symbolizer(const struct mp_recorder *r)
{
	char cache[PATH_MAX];
	const struct mp_symbolize_options options = {.debug_dirs = r->o->debug_dirs,
	    .n_debug_dirs = r->o->n_debug_dirs,
	    .cache_dir = mp_cfi_cache_dir(cache, sizeof(cache)) ? NULL : cache,
	    .long_names = r->o->long_names};

	return mp_symbolizer_new(r->target.pid, &options);
}

/* The unwind tables of what is mapped, before the probes go in: from then on the target pays. */
static void prepare_stacks(struct mp_recorder *r)
{
	r->symbolizer = open_symbolizer(r);
	if (!r->symbolizer || r->keep.stack != MP_STACK_COPY)
		return;
	for (size_t i = 0; i < r->target.maps.n; i++) {
		const struct mp_mapping *m = &r->target.maps.all[i];
		const struct mp_map map = {
		    .start = m->start, .end = m->end, .file_offset = m->file_offset, .path = m->path};
		if (m->is_exec)
			mp_symbolizer_add_map(r->symbolizer, &map);
	}
	mp_symbolizer_prepare(r->symbolizer, PREPARE_MS);
}

/* Everything that can fail without a trace: nothing of the target is touched, the output has no name yet. */
static int prepare(struct mp_recorder *r, struct mp_err *err)
{
	int ret = mp_recorder_open_phases(r, err);

	if (ret)
		return ret;
	ret = r->signals = block_signals(err);
	if (ret >= 0)
		ret = mp_session_create(r->o->output, r->o->force, &r->session, err);
	if (!ret)
		ret = mp_profiles_load(&r->profiles, err);
	if (!ret)
		ret = mp_recorder_open_target(r, err);
	if (ret)
		return ret;
	first_keep(r);
	mp_raise_file_limit();
	prepare_stacks(r);
	return mp_recorder_open_planes(r, err);
}

static void add_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct mp_recorder *r = ctx;
	mp_pipeline_thread(r->pipeline, tid, comm, start_ns);
}

static void add_threads_and_mappings(struct mp_recorder *r, int64_t t_ns)
{
	if (r->census) {
		mp_census_take(r->census, &r->target, r->pipeline, t_ns);
		return;
	}
	mp_target_each_thread(r->target.pid, add_thread, r);
	for (size_t i = 0; i < r->target.maps.n; i++) {
		const struct mp_mapping *m = &r->target.maps.all[i];
		if (m->is_exec)
			mp_pipeline_map(r->pipeline, m->start, m->end, m->file_offset, m->path, t_ns);
	}
}

static void tell_counter(void *ctx, pid_t tid, uint64_t calls_addr, uint64_t calls_ns_addr)
{
	struct mp_recorder *r = ctx;
	mp_uprobe_counter(r->uprobe, tid, calls_addr, calls_ns_addr);
}

/* Functions that are spans are probed, and their allocations counted by the library: the probes are told
 * where. */
static void tell_counters(struct mp_recorder *r)
{
	if (r->preload && r->spans.n)
		mp_preload_each_counter(r->preload, tell_counter, r);
}

static void enable_planes(struct mp_recorder *r)
{
	if (r->uprobe) {
		mp_uprobe_drain(r->uprobe, r->pipeline, MP_KERNEL_CREDIT_MAX);
		mp_uprobe_stats(r->uprobe, &r->slot_stats);
		mp_uprobe_enable(r->uprobe);
	}
	if (r->switcher)
		mp_switcher_begin(r->switcher, r->latency, r->start_ns, mp_recorder_other_cost_ns(r));
	if (r->preload)
		mp_preload_activate(r->preload, &r->keep);
	if (r->perf)
		mp_perf_plane_enable(r->perf);
	tell_counters(r);
}

/* The recorder wakes up hundreds of times a second: that must not take the CPU from a thread of the target
 * that runs. But where each call crosses to it, what it is late for is lost. The command that is started has
 * its own policy by now. */
static void give_way(const struct mp_recorder *r)
{
	const struct sched_param none = {0};
	bool by_ring = r->uprobe && mp_uprobe_backend(r->uprobe) == MP_BACKEND_TRACEFS;

	if (!by_ring && !r->keep.full)
		sched_setscheduler(0, SCHED_BATCH, &none); /* refused: then it stays as it is */
	if (r->o->has_cpus && sched_setaffinity(0, sizeof(r->o->cpus), &r->o->cpus))
		fprintf(stderr,
		    "mpsample: --cpu: %s: none of these CPUs may be used; the recorder runs on any\n",
		    strerror(errno));
}

static int begin(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_hist_view view = r->preload ? mp_preload_hists(r->preload) : mp_uprobe_hists(r->uprobe);
	int ret = mp_session_publish(r->session, err);

	if (!ret)
		ret = mp_session_live(r->session, r->o->max_bytes, err);
	if (ret)
		return ret;
	give_way(r);
	r->latency = mp_latency_new(&view);
	r->pipeline = r->symbolizer ? mp_pipeline_new(r->session, r->symbolizer) : NULL;
	if (!r->latency || !r->pipeline)
		return mp_err_set(err, ENOMEM, "out of memory");
	ret = mp_recorder_begin_gc(r, err);
	if (!ret)
		ret = mp_pipeline_pool_kinds(r->pipeline, r->pools.set.kinds, r->pools.set.n_kinds, err);
	if (!ret && mp_perf_wants_addresses(r->o->wants, r->o->n_wants))
		ret = mp_pipeline_track(r->pipeline, r->target.pid, err);
	if (!ret)
		ret = mp_recorder_follow_blocks(r, err);
	if (ret)
		return ret;
	if (r->preload && r->uprobe && r->o->watch != MP_WATCH_NOTHING)
		mp_pipeline_all_kernel_events(r->pipeline);
	r->hiccup = mp_hiccup_start();
	if (r->o->heap && !(r->heaps = mp_heap_watch_new(r->target.pid, r->session)))
		return mp_err_set(err, ENOMEM, "out of memory");
	if (!(r->pressure = mp_pressure_new(r->target.pid)))
		return mp_err_set(err, ENOMEM, "out of memory");

	/* Read again: it went on mapping while the probes went in. What comes from now on the sideband tells.
	 */
	r->start_ns = r->slot_ns = r->resolved_ns = mp_recorder_now_ns();
	ret = mp_target_refresh(&r->target, err);
	if (!ret)
		ret = mp_recorder_describe(r, err);
	if (!ret)
		ret = mp_recorder_store_probes(r, 0, err);
	if (ret)
		return ret;
	add_threads_and_mappings(r, r->start_ns);
	ret = mp_session_commit(r->session, err);
	if (ret)
		return ret;
	r->start_ns = mp_recorder_now_ns();
	mp_latency_window(r->latency, r->start_ns);
	mp_recorder_begin_slots(r);
	enable_planes(r);
	/* On a busy machine all of the above takes its time: from here on all that happens is recorded, and
	 * some of what happened just before. */
	r->start_ns = r->slot_ns = r->resolved_ns = mp_recorder_now_ns();
	ret = mp_session_set(r->session, err, "start_ns", "%" PRId64, r->start_ns);
	if (!ret)
		ret = mp_recorder_begin_phases(r, err);
	if (!ret)
		ret = mp_pressure_step(r->pressure, r->session, r->start_ns, err);
	if (!ret)
		ret = mp_pipeline_commit(r->pipeline, r->start_ns, err);
	if (ret)
		return ret;
	if (r->is_held) {
		r->is_held = false;
		ret = mp_launch_go(r->target.pid, err);
	}
	return ret;
}

/* ---- What is kept ---- */

/* Outliers are what lies above the p99.9 of each operation's recent calls: about one in a thousand. */
static void steer_outliers(struct mp_recorder *r)
{
	for (unsigned int row = 0; row < MP_OP_ROWS; row++) {
		unsigned int op = mp_op_of_row(row);
		if (mp_latency_recent_calls(r->latency, op) >= STEER_MIN_CALLS)
			r->keep.over_ns[row] = mp_latency_recent_quantile(r->latency, op, 0.999) + 1;
	}
}

static void set_keep(struct mp_recorder *r, int64_t now)
{
	static const char slept[] = "the recorder was stopped for more than a minute, and the target had "
				    "gone to sleep meanwhile";

	if (!r->preload) {
		mp_uprobe_keep(r->uprobe, &r->keep);
	} else if (!mp_preload_keep(r->preload, &r->keep)) {
		fprintf(stderr, "mpsample: %s: these calls were not counted\n", slept);
		mp_pipeline_mark(r->pipeline, now, 0, "not recorded", slept);
		mp_pipeline_blocks_gone(r->pipeline, now);
	}
}

static void steer(struct mp_recorder *r, int64_t now)
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
	mp_recorder_steer_blocks(r, now);
	set_keep(r, now);
}

/* ---- While it lasts ---- */

static void name_thread(void *ctx, pid_t tid, int64_t t_ns)
{
	struct mp_recorder *r = ctx;

	if (r->census)
		mp_census_thread(r->census, &r->target, r->pipeline, tid, t_ns);
}

/* Threads, mappings and execs of the target since the last look: before the calls that were made in them. */
static void drain_sideband(struct mp_recorder *r, int64_t now)
{
	struct mp_sideband_news news = {0};

	if (r->sideband)
		mp_sideband_drain(r->sideband, r->pipeline, &news);
	r->new_code = r->new_code || news.new_code || news.exec;
	if (news.exec)
		mp_pipeline_scopes_over(r->pipeline);
	if (r->preload && news.exec)
		r->follow_until_ns = now + FOLLOW_NS;
}

/* Before the calls that they explain. */
static void drain_hiccups(struct mp_recorder *r, int64_t now)
{
	if (r->hiccup)
		mp_hiccup_drain(r->hiccup, r->pipeline, now);
}

/* True: more waits. */
static bool drain_uprobe(struct mp_recorder *r, int64_t now)
{
	drain_sideband(r, now);
	drain_hiccups(r, now);
	return mp_uprobe_drain(r->uprobe, r->pipeline, 0);
}

/* A call that has returned is explained by what the kernel did before that: it comes first. */
static void drain_kernel_events(void *ctx)
{
	struct mp_recorder *r = ctx;

	drain_hiccups(r, mp_recorder_now_ns());
	for (int turns = 0; r->uprobe && turns < MP_UPROBE_TURNS; turns++)
		if (!mp_uprobe_drain(r->uprobe, r->pipeline, 0))
			break;
}

static bool drain_rings(struct mp_recorder *r)
{
	const struct mp_preload_listener listener = {
	    .thread = name_thread, .before_rows = drain_kernel_events, .ctx = r};

	return mp_preload_drain(r->preload, r->pipeline, &listener);
}

/* After all calls that had returned when it began have been handed in. */
static void drain_perf(struct mp_recorder *r, int64_t began)
{
	r->known_ns = r->preload ? began : mp_uprobe_known_ns(r->uprobe, began);
	if (r->perf)
		mp_perf_plane_drain(r->perf, r->pipeline);
}

/* Not with each drain: what waits is put in order anew. */
static void settle(struct mp_recorder *r)
{
	if (r->perf)
		mp_perf_plane_steer(r->perf, TICK_NS);
	mp_pipeline_calls_known(r->pipeline, r->known_ns - SETTLE_NS);
}

/* True: more than enough waits in the library's rings to look again at once. */
static bool drain_preload(struct mp_recorder *r, int64_t now)
{
	drain_sideband(r, now);
	if (r->follow_until_ns)
		mp_recorder_follow_exec(r, now);
	return drain_rings(r);
}

/* The same without a sideband; and what of it was lost. */
static void look_at_target(struct mp_recorder *r, int64_t now)
{
	if (r->sideband) {
		drain_sideband(r, now);
		mp_sideband_tell_lost(r->sideband, r->pipeline);
	} else if (now - r->slot_ns >= SLOT_NS) {
		mp_census_take(r->census, &r->target, r->pipeline, now);
		if (!r->follow_until_ns && !mp_preload_is_mapped(r->preload))
			r->follow_until_ns = now + FOLLOW_NS;
	}
}

static int tick(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	int ret = 0;

	look_at_target(r, now);
	drain_hiccups(r, now);
	if (r->uprobe)
		mp_uprobe_drain(r->uprobe, r->pipeline, KERNEL_ROWS_PER_TICK);
	settle(r);
	ret = mp_recorder_tick_gc(r, now, err);
	if (!ret)
		ret = mp_recorder_step_gauges(r, now, err);
	if (r->preload)
		mp_preload_poll(r->preload, false);
	tell_counters(r);
	mp_latency_poll(r->latency, false);
	mp_latency_window(r->latency, now);
	steer(r, now);
	if (!ret && (r->new_code || mp_recorder_awaits_pools(r)) &&
	    now - r->resolved_ns >= RESOLVE_NS + r->resolve_pause_ns)
		ret = mp_recorder_look_at_new_code(r, now, err);
	if (!ret)
		ret = mp_recorder_tick_phases(r, err);
	if (!ret && now - r->slot_ns >= SLOT_NS && !mp_recorder_is_bound_near(r, now)) {
		ret = mp_recorder_end_slot(r, now, err);
		if (r->preload)
			mp_preload_slot(r->preload);
		mp_recorder_tell_progress(r, now);
	}
	return ret;
}

/* Why to end, or NULL to go on. */
static const char *wait_until(struct mp_recorder *r, int64_t until)
{
	struct pollfd fds[] = {
	    {.fd = r->signals, .events = POLLIN},
	    {.fd = r->target.pidfd, .events = POLLIN},
	    {.fd = r->uprobe ? mp_uprobe_fd(r->uprobe) : -1, .events = POLLIN},
	    {.fd = r->perf ? mp_perf_plane_fd(r->perf) : -1, .events = POLLIN},
	    {.fd = mp_recorder_marks_fd(r), .events = POLLIN},
	};
	int64_t now = mp_recorder_now_ns();
	int ms = until > now ? (int)((until - now + 999999) / 1000000) : 0;

	if (poll(fds, sizeof(fds) / sizeof(*fds), ms) < 0 && errno != EINTR)
		return "failed";
	if (fds[0].revents)
		return "stopped";
	if (fds[1].revents)
		return "target exited";
	if (fds[3].revents)
		mp_perf_plane_drain(r->perf, r->pipeline);
	if (fds[2].revents)
		drain_uprobe(r, now); /* what is left lets the next poll() return at once */
	r->has_marks = fds[4].revents;
	return NULL;
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t drain_pause_ns(const struct mp_recorder *r, int64_t now)
{
	if (!r->preload)
		return DRAIN_PERF_NS;
	return r->o->full || r->keep.track_all || now - r->start_ns < TICK_NS ? DRAIN_MUCH_NS : DRAIN_NS;
}

/* By the timer, what no full buffer asks for. True: more waits. */
static bool drain_all(struct mp_recorder *r, int64_t now)
{
	bool has_more = r->preload ? drain_preload(r, now) : drain_uprobe(r, now);

	if (!has_more)
		drain_perf(r, now);
	return has_more;
}

/* Whatever failed at the beginning, failed because of that. */
static bool has_ended(const struct mp_recorder *r)
{
	struct pollfd fd = {.fd = r->target.pidfd, .events = POLLIN};

	return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

static void tell_refused(struct mp_recorder *r, int64_t now, const struct mp_err *err)
{
	if (!r->told_refused)
		fprintf(stderr, "mpsample: %s; the recording goes on\n", err->text);
	r->told_refused = true;
	mp_pipeline_mark(r->pipeline, now, 0, "probes failed", err->text);
}

/* Puts probes in and out. A library that is gone, or a target that is about to end, is no reason to end; what
 * is mapped is looked at anew, and the next window is without it. */
static void switch_probes(struct mp_recorder *r)
{
	int64_t now = mp_recorder_now_ns();
	struct mp_err err;

	if (mp_switcher_step(r->switcher, &r->probes, r->latency, now, mp_recorder_other_cost_ns(r), &err) &&
	    !has_ended(r)) {
		bool moved = false;
		mp_recorder_read_target_anew(r, &moved);
		if (!moved)
			tell_refused(r, now, &err);
	}
	mp_recorder_tell_windows(r, now);
}

/* A phase has just begun or ended: so does a slot. */
static int pass_bound(struct mp_recorder *r, struct mp_err *err)
{
	drain_all(r, mp_recorder_now_ns());
	return mp_recorder_pass_bound(r, err);
}

static int watch_phases(struct mp_recorder *r, int64_t now, struct mp_err *err)
{
	int ret = now >= mp_recorder_bound_due_ns(r) ? pass_bound(r, err) : 0;

	if (!ret && r->has_marks)
		ret = mp_recorder_read_marks(r, err);
	r->has_marks = false;
	return ret;
}

static int run(struct mp_recorder *r, struct mp_err *err)
{
	int64_t end = r->o->duration_ns ? r->start_ns + r->o->duration_ns : INT64_MAX;
	int64_t next = r->start_ns + TICK_NS, drain = r->preload || r->perf ? r->start_ns : INT64_MAX,
		step = r->switcher ? r->start_ns : INT64_MAX;
	int ret = 0;

	while (!ret && !r->end_reason) {
		int64_t heaps = r->heaps ? mp_heap_watch_next_ns(r->heaps) : INT64_MAX;
		int64_t bound = mp_recorder_bound_due_ns(r);
		r->end_reason = wait_until(r,
		    earliest(earliest(heaps, bound), earliest(earliest(next, drain), earliest(step, end))));
		int64_t now = mp_recorder_now_ns();
		if (!r->end_reason && now >= end)
			r->end_reason = "duration";
		if (now >= drain)
			drain = drain_all(r, now) ? now : now + drain_pause_ns(r, now);
		mp_recorder_watch_pools(r, now);
		ret = watch_phases(r, now, err);
		if (!ret && now >= next) {
			ret = tick(r, now, err);
			next = now + TICK_NS;
		}
		if (!ret && now >= heaps)
			ret = mp_heap_watch_step(r->heaps, r->latency, now, err);
		if (!ret && now >= step) {
			switch_probes(r);
			step = mp_recorder_now_ns() + mp_switcher_pause_ns(r->switcher);
		}
	}
	return ret;
}

/* ---- Ending ---- */

static void mark_exit(struct mp_recorder *r, int64_t now)
{
	char *detail = r->exit_detail;
	const size_t size = sizeof(r->exit_detail);
	int status;

	if (strcmp(r->end_reason, "target exited"))
		return;
	snprintf(detail, size, "status unknown: not our child");
	if (r->child && waitpid(r->child, &status, WNOHANG) == r->child) {
		if (WIFSIGNALED(status))
			snprintf(detail, size, "killed by signal %d (%s)", WTERMSIG(status),
			    strsignal(WTERMSIG(status)));
		else
			snprintf(detail, size, "exit status %d", WEXITSTATUS(status));
	}
	mp_pipeline_mark(r->pipeline, now, r->target.pid, "exit", detail);
}

/* Calls that are under way when the target is let sleep are written down within microseconds. */
static void end_preload(struct mp_recorder *r)
{
	static const struct timespec settle = {.tv_nsec = 1000000};

	mp_preload_deactivate(r->preload);
	nanosleep(&settle, NULL);
	mp_preload_poll(r->preload, true);
	drain_rings(r);
}

static int name_frames(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_naming_totals totals;
	const struct mp_naming naming = {.session = r->session,
	    .symbolizer = r->symbolizer,
	    .jit_only = r->o->symbolize_later,
	    .is_wrapper = mp_profile_is_wrapper,
	    .ctx = &r->profiles};

	int ret = mp_naming_run(&naming, &totals, err);
	return ret || !r->components.n ? ret : mp_components_classify(r->session, &r->components, err);
}

/* One more order to end: the user does not want to wait for the last stacks. */
static bool is_impatient(void *ctx)
{
	struct mp_recorder *r = ctx;
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == sizeof(info))
		r->orders++;
	return r->orders > !strcmp(r->end_reason, "stopped"); /* the first one ended the recording */
}

/* The most memory that this process has had. */
static int64_t peak_bytes(void)
{
	struct rusage used;

	return getrusage(RUSAGE_SELF, &used) ? 0 : (int64_t)used.ru_maxrss * 1024;
}

/* A phase that begins as the recording ends is one, however short. */
static int settle_phases(struct mp_recorder *r, struct mp_err *err)
{
	int ret = 0;

	while (!ret && mp_recorder_awaits_bound(r, err)) {
		int64_t wait_ns = mp_recorder_bound_due_ns(r) - mp_recorder_now_ns();
		if (wait_ns > 0)
			nanosleep(&(struct timespec){.tv_nsec = wait_ns}, NULL);
		ret = pass_bound(r, err);
	}
	return ret;
}

static int finish(struct mp_recorder *r, struct mp_err *err)
{
	int phases = settle_phases(r, err);
	int64_t now = mp_recorder_now_ns();

	drain_sideband(r, now);
	if (r->perf)
		mp_perf_plane_disable(r->perf);
	if (r->preload)
		end_preload(r);
	now = mp_recorder_now_ns();
	if (r->uprobe) {
		mp_uprobe_detach(r->uprobe);
		while (drain_uprobe(r, now))
			;
	}
	if (r->sideband) {
		drain_sideband(r, now);
		mp_sideband_tell_lost(r->sideband, r->pipeline);
	}
	if (r->perf)
		mp_perf_plane_drain(r->perf, r->pipeline);
	if (r->preload && r->follow_until_ns)
		mp_recorder_tell_not_followed(r, now);
	mp_latency_poll(r->latency, true);
	mp_latency_window(r->latency, now);
	mark_exit(r, now);
	mp_pipeline_calls_known(r->pipeline, INT64_MAX); /* so that the last slot tells of all blocks */
	int ret = phases ? phases : mp_recorder_end_slot(r, now, err);
	if (!ret)
		ret = mp_recorder_end_phases(r, now, err);
	if (!ret)
		ret = mp_pipeline_end(r->pipeline, is_impatient, r, err);
	if (!ret)
		ret = name_frames(r, err);
	if (!ret)
		ret = mp_session_set(r->session, err, "end_ns", "%" PRId64, now);
	if (!ret)
		ret = mp_session_set(r->session, err, "duration_ns", "%" PRId64, now - r->start_ns);
	if (!ret)
		ret = mp_session_set(r->session, err, "end_reason", "%s", r->end_reason);
	if (!ret)
		ret = mp_session_set(r->session, err, "recorder_peak_bytes", "%" PRId64, peak_bytes());
	if (!ret)
		ret = mp_retention_settle(r->session, err);
	mp_retention_totals(r->session, &r->retention);
	return ret;
}

static void close_all(struct mp_recorder *r)
{
	if (r->is_held)
		mp_launch_abandon(r->child);
	mp_preload_close(r->preload);
	mp_switcher_free(r->switcher);
	mp_uprobe_close(r->uprobe);
	mp_perf_plane_close(r->perf);
	mp_hiccup_stop(r->hiccup);
	mp_heap_watch_free(r->heaps);
	mp_pressure_free(r->pressure);
	mp_recorder_close_phases(r);
	mp_sideband_close(r->sideband);
	mp_census_free(r->census);
	mp_latency_free(r->latency);
	mp_pipeline_free(r->pipeline);
	mp_symbolizer_free(r->symbolizer);
	mp_span_set_free(&r->spans);
	mp_component_rules_free(&r->components);
	mp_pool_set_free(&r->pools.set);
	mp_gc_watch_free(r->gc.watch);
	mp_gc_classes_free(r->gc.classes);
	mp_gc_set_free(&r->gc.set);
	mp_probe_set_free(&r->found);
	mp_probe_set_free(&r->probes);
	mp_profiles_free(&r->profiles);
	mp_target_close(&r->target);
	if (r->signals >= 0)
		close(r->signals);
}

int mp_record(const struct mp_record_options *o, struct mp_err *err)
{
	struct mp_recorder r = {.o = o, .signals = -1, .target = {.pidfd = -1}};
	int ret = prepare(&r, err);

	if (!ret)
		ret = begin(&r, err);
	if (!ret) {
		mp_recorder_tell_begin(&r);
		ret = run(&r, err);
		if (ret)
			r.end_reason = "failed";
		/* Also after a failure: what can still be named and written is. */
		struct mp_err ignored;
		int finished = finish(&r, ret ? &ignored : err);
		ret = ret ? ret : finished;
	}
	if (ret && !r.end_reason && has_ended(&r))
		ret = mp_err_set(err, ESRCH, "process %d ended before the recording began", r.target.pid);
	struct mp_err ignored;
	int closed = r.session ? mp_session_close(r.session, ret ? &ignored : err) : 0;
	if (!ret)
		ret = closed;
	if (!ret)
		mp_recorder_tell_end(&r);
	close_all(&r);
	return ret;
}
