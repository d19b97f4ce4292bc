/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sampler/cause.h"
#include "sampler/recorder/gc.h"
#include "sampler/recorder/pools.h"
#include "sampler/recorder/private.h"
#include "store/append.h"

/* ---- For the session ---- */

int mp_recorder_store_probes(struct mp_recorder *r, size_t from, struct mp_err *err)
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

static int store_span_probes(struct mp_recorder *r, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < r->spans.n; i++) {
		const struct mp_span_function *f = &r->spans.functions[i];
		struct mp_probe_row row = {
		    MP_OP_SPAN, f->name, f->module, "spans", f->entry, f->skipped_bytes};
		ret = mp_append_probe(r->session, &row, err);
	}
	return ret;
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

static int describe_uprobe(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_session *s = r->session;
	const struct mp_floor *f = mp_uprobe_floor(r->uprobe);

	if (mp_session_set(s, err, "planes", "%s",
		r->o->watch == MP_WATCH_NOTHING && !r->perf ? "uprobe" : "uprobe,perf") ||
	    mp_session_set(s, err, "backend", "%s", mp_backend_name(mp_uprobe_backend(r->uprobe))) ||
	    mp_session_set(s, err, "floor_ns", "%" PRIu64, f->ns[0]) ||
	    mp_session_set(s, err, "floor_spread_ns", "%" PRIu64, f->spread_ns[0]) ||
	    mp_session_set(s, err, "floor_stepped_ns", "%" PRIu64, f->ns[1]) ||
	    mp_session_set(s, err, "cost_ns", "%" PRIu64, f->cost_ns[0]) ||
	    mp_session_set(s, err, "cost_stepped_ns", "%" PRIu64, f->cost_ns[1]))
		return -EIO;
	return 0;
}

static int describe_preload(struct mp_recorder *r, struct mp_err *err)
{
	struct mp_session *s = r->session;

	if (mp_session_set(s, err, "planes", "%s",
		(r->uprobe && r->o->watch != MP_WATCH_NOTHING) || r->perf ? "preload,perf" : "preload") ||
	    mp_session_set(s, err, "backend", "preload") ||
	    mp_session_set(s, err, "floor_ns", "%" PRIu64, mp_preload_floor_ns(r->preload)) ||
	    mp_session_set(s, err, "cost_ns", "%" PRIu64, mp_preload_cost_ns(r->preload)))
		return -EIO;
	return 0;
}

/* The parts of calls that can be seen; what is not among them is unexplained. */
static int describe_causes(struct mp_recorder *r, struct mp_err *err)
{
	uint32_t sees = r->uprobe ? mp_uprobe_sees(r->uprobe) : 0;
	char text[256] = "";
	size_t n = 0;

	for (unsigned int kind = 0; kind < MP_KERNEL_KINDS; kind++)
		if (sees >> kind & 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", mp_kernel_kind_name(kind));
	snprintf(text + n, sizeof(text) - n, "%s", r->hiccup ? "hiccup" : "");
	return mp_session_set(r->session, err, "causes", "%s", text);
}

static const char *probe_name(enum mp_probe_mode mode)
{
	static const char *const names[] = {"auto", "all", "slow", "burst"};

	return names[mode];
}

int mp_recorder_describe(struct mp_recorder *r, struct mp_err *err)
{
	struct utsname host;
	char cpu[128];
	struct mp_session *s = r->session;

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
	    mp_session_set(s, err, "probe", "%s", r->switcher ? probe_name(r->o->probe) : "all") ||
	    mp_session_set(s, err, "budget", "%g", r->o->budget) || mp_session_set(s, err, "duty", "1.0"))
		return -EIO;
	int ret = r->preload ? describe_preload(r, err) : describe_uprobe(r, err);
	if (!ret)
		ret = describe_causes(r, err);
	if (!ret)
		ret = store_span_probes(r, err);
	if (!ret)
		ret = mp_recorder_store_pool_probes(r, 0, err);
	if (!ret)
		ret = mp_recorder_store_gc_probes(r, 0, err);
	if (!ret && r->o->max_bytes)
		ret = mp_session_set(s, err, "max_size_bytes", "%" PRIu64, r->o->max_bytes);
	if (!ret)
		ret = r->o->keep_over_ns < 0
			  ? mp_session_set(s, err, "keep_over_ns", "adaptive")
			  : mp_session_set(s, err, "keep_over_ns", "%" PRId64, r->o->keep_over_ns);
	return ret || !r->probes.uncovered[0]
		   ? ret
		   : mp_session_set(s, err, "not_covered", "%s", r->probes.uncovered);
}

/* ---- For people: the beginning ---- */

/* Those that a program calls all the time. */
#define HOT_OPS                                                                                              \
	(1u << MP_OP_MALLOC | 1u << MP_OP_CALLOC | 1u << MP_OP_REALLOC | 1u << MP_OP_FREE |                  \
	    1u << MP_OP_NEW | 1u << MP_OP_DELETE)

static bool is_hot(unsigned int op)
{
	return op < MP_OP_COUNT && HOT_OPS >> op & 1;
}

/* Until the next call. */
static const char *names_of_ops(unsigned int ops)
{
	static char text[256];
	size_t n = 0;

	text[0] = 0;
	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		if (ops >> op & 1)
			n += (size_t)snprintf(
			    text + n, sizeof(text) - n, "%s%s", n ? " " : "", mp_op_name(op));
	return text;
}

/* What makes a recording dearer than it looks: probes in functions of the hot path that the kernel has to
 * single-step. */
static void tell_stepped(const struct mp_recorder *r)
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

/* The library names its threads as the target does. */
static void tell_namespace_of_target(const struct mp_recorder *r)
{
	struct stat its, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", r->target.pid);
	if (!stat("/proc/self/ns/pid", &ours) && !stat(path, &its) && its.st_ino != ours.st_ino)
		fprintf(stderr,
		    "mpsample: process %d is in a PID namespace of its own: thread ids of calls are those "
		    "that it sees\n",
		    r->target.pid);
}

/* An error's text up to what it says to do. */
static int reason(const struct mp_err *err)
{
	const char *end = strstr(err->text, "; ");
	return end ? (int)(end - err->text) : (int)strlen(err->text);
}

/* Where the planes are not those that one would expect. */
static void tell_planes(const struct mp_recorder *r)
{
	if (*r->fallback.text && !r->preload)
		fprintf(stderr, "mpsample: by uprobes: %.*s\n", reason(&r->fallback), r->fallback.text);
	if (r->preload && mp_preload_was_left(r->preload))
		fprintf(stderr,
		    "mpsample: the last recorder of process %d died while it recorded; taken over\n",
		    r->target.pid);
	if (r->preload && ((!r->uprobe && r->o->watch != MP_WATCH_NOTHING) || !r->sideband))
		fprintf(stderr, "mpsample: without%s%s%s: %.*s; root or CAP_BPF and CAP_PERFMON give all\n",
		    r->uprobe || r->o->watch == MP_WATCH_NOTHING ? "" : " what the kernel does in slow calls",
		    !r->uprobe && r->o->watch != MP_WATCH_NOTHING && !r->sideband ? ", and" : "",
		    r->sideband ? "" : " threads that live for less than a second without a call",
		    reason(&r->missing), r->missing.text);
}

/* A trap that is stepped costs ten times as much: what makes spans dear has to be known before. */
static void tell_spans(const struct mp_recorder *r)
{
	const struct mp_span_function *dearest = NULL, *jumps = NULL;
	size_t n_jumps = 0;

	for (size_t i = 0; i < r->spans.n; i++) {
		const struct mp_span_function *f = &r->spans.functions[i];
		if (!dearest ||
		    mp_uprobe_span_cost_ns(r->uprobe, f) > mp_uprobe_span_cost_ns(r->uprobe, dearest))
			dearest = f;
		if (f->ends_in_jump)
			jumps = f;
		n_jumps += f->ends_in_jump;
	}
	if (dearest)
		fprintf(stderr, "mpsample: %zu functions are spans; each call costs it up to %.1f us (%s)\n",
		    r->spans.n, (double)mp_uprobe_span_cost_ns(r->uprobe, dearest) / 1000, dearest->name);
	if (jumps)
		fprintf(stderr,
		    "mpsample: spans of %zu of them end where another function goes on in its place (a tail "
		    "call), such as %s\n",
		    n_jumps, jumps->name);
	if (*r->spans.left_out)
		fprintf(stderr, "mpsample: cannot be followed, and are no spans: %s\n", r->spans.left_out);
}

static void tell_limits(const struct mp_recorder *r)
{
	tell_spans(r);
	mp_recorder_tell_pools(r);
	mp_recorder_tell_gc(r);
	if (!r->preload)
		tell_stepped(r);
	if (r->uprobe)
		tell_namespace();
	if (r->preload)
		tell_namespace_of_target(r);
	if (r->probes.uncovered[0])
		fprintf(stderr, "mpsample: not covered: %s\n", r->probes.uncovered);
}

/* Which functions are probed when, where that is not all of them all the time. */
static void tell_switched(const struct mp_recorder *r)
{
	double percent = r->o->budget * 100;
	struct mp_switcher_totals t;

	if (!r->switcher && r->keep.track && !r->preload)
		fprintf(stderr,
		    "mpsample: every call is probed, whatever it costs: -e is to tell whose data it is\n");
	if (!r->switcher) {
		if (!r->preload && r->probes.n && r->o->probe != MP_PROBE_ALL)
			fprintf(stderr,
			    "mpsample: --probe %s: backend %s cannot take probes out and put them in again: "
			    "every call "
			    "is probed, whatever it costs\n",
			    probe_name(r->o->probe), mp_backend_name(mp_uprobe_backend(r->uprobe)));
		return;
	}
	mp_switcher_totals(r->switcher, mp_recorder_now_ns(), &t);
	unsigned int not_told = mp_switcher_not_told(r->switcher) & HOT_OPS;
	if (r->o->probe == MP_PROBE_SLOW)
		fprintf(stderr,
		    "mpsample: --probe slow: only what the thread cache cannot serve, %zu functions%s%s%s\n",
		    t.slow_functions, not_told ? "; in windows: " : "",
		    not_told ? names_of_ops(not_told) : "",
		    not_told ? ", whose fast path cannot be told apart" : "");
	else if (r->o->probe == MP_PROBE_BURST)
		fprintf(stderr,
		    "mpsample: --probe burst: every call in windows, for at most %g %% of a core\n", percent);
}

/* The first time that not every call is watched. */
void mp_recorder_tell_windows(struct mp_recorder *r, int64_t now)
{
	struct mp_switcher_totals t;
	char detail[384];

	if (r->told_windows || r->o->probe != MP_PROBE_AUTO || mp_switcher_since_ns(r->switcher) >= 0)
		return;
	r->told_windows = true;
	mp_switcher_totals(r->switcher, now, &t);
	snprintf(detail, sizeof(detail),
	    "every call would cost more than %g %% of a core: it is watched in windows%s%s",
	    r->o->budget * 100, t.slow_ops ? ", and all the time the slow paths of " : "",
	    t.slow_ops ? names_of_ops(t.slow_ops & HOT_OPS) : "");
	fprintf(stderr, "mpsample: %s\n", detail);
	mp_pipeline_mark(r->pipeline, now, 0, "probes", detail);
}

/* What stands in for what was asked for. */
static void tell_events(const struct mp_recorder *r)
{
	for (size_t i = 0; i < r->o->n_wants; i++) {
		const struct mp_event *e = &r->o->wants[i].event;
		if (*e->note)
			fprintf(stderr, "mpsample: event %s is %s: %s\n", e->name, e->chosen, e->note);
	}
}

void mp_recorder_tell_begin(const struct mp_recorder *r)
{
	fprintf(stderr, "mpsample: recording process %d (%s) to %s: ", r->target.pid, r->target.comm,
	    r->o->output);
	if (r->preload)
		fprintf(stderr, "by libmpsample.so in it, floor %" PRIu64 " ns, cost %" PRIu64 " ns a call",
		    mp_preload_floor_ns(r->preload), mp_preload_cost_ns(r->preload));
	else
		fprintf(stderr,
		    "%zu allocation probes by %s, floor %" PRIu64 " ns, cost %" PRIu64 " ns a call",
		    r->probes.n, mp_backend_name(mp_uprobe_backend(r->uprobe)),
		    mp_uprobe_floor(r->uprobe)->ns[0], mp_uprobe_floor(r->uprobe)->cost_ns[0]);
	if (r->o->duration_ns)
		fprintf(stderr, ", for %g s\n", (double)r->o->duration_ns / NS_PER_S);
	else
		fprintf(stderr, ", until it ends or Ctrl-C\n");
	tell_planes(r);
	tell_switched(r);
	tell_limits(r);
	tell_events(r);
}

/* ---- Meanwhile, and the end ---- */

void mp_recorder_tell_progress(struct mp_recorder *r, int64_t now)
{
	uint64_t calls = mp_latency_calls_all(r->latency);

	if (!r->told_no_calls && !calls && (r->preload || r->probes.n) && now - r->start_ns >= NS_PER_S) {
		r->told_no_calls = true;
		fprintf(stderr,
		    "mpsample: no allocation call in the first second: %s is idle, or allocates by means "
		    "that %s\n",
		    r->target.comm,
		    r->preload ? "the library does not see (--plane uprobe may)"
			       : "are not probed (see v_probe)");
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rmpsample: %.0f s, %" PRIu64 " calls ",
		    (double)(now - r->start_ns) / NS_PER_S, calls);
}

/* What is not lost is not spoken of; stacks and markers are events by their own names. */
static void tell_losses(const struct mp_recorder *r, const struct mp_pipeline_totals *t)
{
	struct mp_preload_stats s = {0};

	if (r->preload)
		mp_preload_stats(r->preload, &s);
	uint64_t named = s.stacks_lost + s.markers_lost;
	const struct {
		uint64_t n;
		const char *what;
	} losses[] = {{t->calls_lost, "calls"}, {t->rows_lost, "rows"}, {s.stacks_lost, "stacks"},
	    {s.markers_lost, "markers"},
	    {t->events_lost > named ? t->events_lost - named : 0, "other events"}};
	const char *before = "; LOST ";

	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		if (!losses[i].n)
			continue;
		fprintf(stderr, "%s%" PRIu64 " %s", before, losses[i].n, losses[i].what);
		before = ", ";
	}
	fprintf(stderr, " (mpsample report loss %s)\n", r->o->output);
}

/* Inlined everywhere, or just not reached. */
static void tell_spans_without_calls(const struct mp_recorder *r)
{
	const struct mp_span_function *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < r->spans.n; i++) {
		if (mp_uprobe_span_calls(r->uprobe, i))
			continue;
		first = first ? first : &r->spans.functions[i];
		n++;
	}
	if (n)
		fprintf(stderr,
		    "mpsample: %zu of %zu functions that are spans returned from no call: %s%s; where the "
		    "compiler has put a "
		    "function into its callers, nothing is called\n",
		    n, r->spans.n, first->name, n > 1 ? ", ..." : "");
}

static bool wants_samples(const struct mp_recorder *r)
{
	for (size_t i = 0; i < r->o->n_wants; i++)
		if (r->o->wants[i].is_sampled)
			return true;
	return false;
}

static uint64_t slow_calls(const struct mp_recorder *r)
{
	uint64_t all = 0;

	for (unsigned int op = 0; op < MP_OP_COUNT; op++)
		all += mp_latency_calls(r->latency, MP_OP_SLOW + op);
	return all;
}

static void tell_duty(const struct mp_recorder *r)
{
	struct mp_switcher_totals t;

	if (!r->switcher || (r->duty >= 1 && r->o->probe != MP_PROBE_SLOW))
		return;
	mp_switcher_totals(r->switcher, mp_recorder_now_ns(), &t);
	if (r->o->probe == MP_PROBE_SLOW) {
		fprintf(stderr, " of %" PRIu64 " calls of slow paths", slow_calls(r));
		return;
	}
	fprintf(stderr, "; every call watched %.3g %% of the time, in %" PRIu64 " windows", r->duty * 100,
	    t.windows);
	if (t.slow_began)
		fprintf(stderr, ", and %" PRIu64 " calls of slow paths", slow_calls(r));
}

/* What gave way to --max-size is neither kept nor lost. */
static void tell_thinned(const struct mp_recorder *r)
{
	const struct mp_retention_totals *t = &r->retention;

	if (t->calls)
		fprintf(stderr, ", %" PRIu64 " thinned for --max-size", t->calls);
	if (t->others)
		fprintf(stderr, "%s%" PRIu64 " rows of other tables thinned or rolled up%s",
		    t->calls ? " (and " : ", ", t->others, t->calls ? ")" : " for --max-size");
}

/* As `report summary` says it. Of the library alone it is nothing to speak of. */
static void tell_cost(const struct mp_recorder *r)
{
	double share = (double)r->cost_ns / (double)(mp_recorder_now_ns() - r->start_ns);

	if (r->uprobe && r->budgeted_cost_ns && r->start_ns)
		fprintf(stderr, "; cost the target %.3g %% of a core", share * 100);
}

void mp_recorder_tell_end(const struct mp_recorder *r)
{
	struct mp_pipeline_totals t;
	bool tells_exit = r->child && *r->exit_detail;

	mp_pipeline_totals(r->pipeline, &t);
	fprintf(stderr, "%smpsample: %s%s%s%s after %.1f s: %" PRIu64 " calls counted, %" PRIu64 " rows kept",
	    isatty(STDERR_FILENO) ? "\n" : "", r->end_reason, tells_exit ? " (" : "",
	    tells_exit ? r->exit_detail : "", tells_exit ? ")" : "",
	    (double)(mp_recorder_now_ns() - r->start_ns) / NS_PER_S, mp_latency_calls_all(r->latency),
	    t.rows - r->retention.calls_removed);
	tell_duty(r);
	tell_thinned(r);
	if (wants_samples(r))
		fprintf(stderr, ", %" PRIu64 " samples", t.samples);
	tell_cost(r);
	if (r->missed_program)
		fprintf(stderr, "; the program that it executed was NOT recorded");
	if (t.calls_lost || t.rows_lost || t.events_lost)
		tell_losses(r, &t);
	else
		fprintf(stderr, "%s; mpsample report summary %s\n", r->missed_program ? "" : ", nothing lost",
		    r->o->output);
	tell_spans_without_calls(r);
	if (r->o->symbolize_later)
		fprintf(
		    stderr, "mpsample: functions have no names yet: mpsample symbolize %s\n", r->o->output);
}
