/* SPDX-License-Identifier: MIT */
/*
 * The backend `tracefs`: uprobe events read through perf rings, for kernels or users without BPF. Each record
 * crosses to the recorder, which pairs and counts them: dearer than BPF, and a full ring loses calls
 * (counted).
 *
 * All functions of one attach make two events, one for entries and one for returns, and all its markers two
 * more, one for those with a text and one for those without. They are opened per thread
 * and CPU with `inherit`, so that new threads are probed from their first call; of an event that tracefs made
 * this is cheap. (Of the uprobe PMU it is not: each inherited event registers the probe anew, and creating a
 * thread takes a third of a second.)
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "sampler/pairing.h"
#include "sampler/perf/merge.h"
#include "sampler/perf/regs.h"
#include "sampler/perf/ring.h"
#include "sampler/preload/mpsample.h"
#include "sampler/saved_regs.h"
#include "sampler/target.h"
#include "sampler/tracefs.h"
#include "sampler/uprobe/uprobe.h"

/* Of the stack, with each return of a probed function: the callers that have no frame pointer, innermost. */
#define STACK_BYTES 256

enum event_kind {
	EVENT_ENTRY,
	EVENT_RETURN,
	EVENT_MARKER, /* either of the two */
	EVENT_MINOR_FAULT,
	EVENT_MAJOR_FAULT,
	EVENT_SWITCH,
	EVENT_KINDS
};

/* An opened event; its id stands in each of its records. */
struct opened {
	uint64_t id;
	int fd;
	enum event_kind kind;
};

struct tracefs_plane {
	struct mp_tracefs tracefs;
	struct mp_pairing *pairing;
	bool stack, enabled;
	bool detached; /* what is open is disabled, and only names the records that still wait */
	enum mp_watch watch;
	bool kernel_events; /* not while calibrating */
	int64_t enabled_ns;
	struct mp_perf_ring *rings; /* per CPU; fd -1: offline */
	int cpus, epoll;
	unsigned int attaches;     /* names of events so far */
	unsigned int first_attach; /* of those that are in */
	struct opened *opened;     /* sorted by id */
	size_t n_opened, opened_room;
	uint64_t lost_entries, lost_returns, lost_markers, lost_others, unpaired;
	uint64_t told_markers; /* of the lost ones */
	uint64_t markers_read;
	uint64_t lost_records[EVENT_KINDS]; /* as records told, where the kernel cannot be asked */
	struct mp_perf_merge merge;         /* what was read */
	uint64_t dropped_here;              /* out of memory while collecting */
	int64_t complete_ns;                /* all records up to here are in */
	int64_t known_ns;                   /* up to then, what was read was handed on in order */
	int collecting_cpu;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The ring of a CPU belongs to a dummy event; the others are directed into it. */
static int open_ring(struct tracefs_plane *t, int cpu, struct mp_err *err)
{
	struct perf_event_attr attr = {
	    .type = PERF_TYPE_SOFTWARE,
	    .config = PERF_COUNT_SW_DUMMY,
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	    .watermark = 1,
	    .wakeup_watermark = MP_TRACEFS_RING_PAGES * 4096 / 4,
	};
	int fd = mp_perf_open(&attr, -1, cpu, -1);

	t->rings[cpu].fd = -1;
	if (fd == -ENODEV)
		return 0;
	if (fd < 0)
		return mp_err_set(err, -fd, "cannot open a perf event on CPU %d: %s%s", cpu, strerror(-fd),
		    fd == -EACCES || fd == -EPERM ? "; run as root, or give mpsample CAP_PERFMON" : "");
	int ret = mp_perf_ring_map(fd, MP_TRACEFS_RING_PAGES, &t->rings[cpu], err);
	if (ret) {
		close(fd);
		t->rings[cpu].fd = -1;
		return ret;
	}
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e)
		   ? mp_err_set(err, errno, "epoll: %s", strerror(errno))
		   : 0;
}

static void close_opened(struct tracefs_plane *t);

static void tracefs_close(void *impl)
{
	struct tracefs_plane *t = impl;

	close_opened(t);
	for (int cpu = 0; t->rings && cpu < t->cpus; cpu++)
		if (t->rings[cpu].fd >= 0)
			mp_perf_ring_close(&t->rings[cpu]);
	free(t->rings);
	if (t->epoll >= 0)
		close(t->epoll);
	mp_tracefs_close(&t->tracefs);
	mp_pairing_free(t->pairing);
	free(t->opened);
	mp_perf_merge_free(&t->merge);
	free(t);
}

static int tracefs_open(const struct mp_uprobe_options *o, void **impl, struct mp_err *err)
{
	struct tracefs_plane *t = calloc(1, sizeof(*t));

	if (!t)
		return mp_err_set(err, ENOMEM, "out of memory");
	t->watch = o->watch;
	t->tracefs.dir = -1;
	t->cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	t->pairing = mp_pairing_new();
	t->rings = calloc((size_t)t->cpus, sizeof(*t->rings));
	for (int cpu = 0; t->rings && cpu < t->cpus; cpu++)
		t->rings[cpu].fd = -1;

	int ret = t->pairing && t->rings && t->epoll >= 0 ? 0 : mp_err_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = mp_tracefs_open(&t->tracefs, err);
	for (int cpu = 0; !ret && cpu < t->cpus; cpu++)
		ret = open_ring(t, cpu, err);
	if (ret) {
		tracefs_close(t);
		return ret;
	}
	*impl = t;
	return 0;
}

/* ---- Opening events ---- */

static void describe_event(
    const struct tracefs_plane *t, enum event_kind kind, int id, struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr){
	    .type = kind <= EVENT_MARKER ? PERF_TYPE_TRACEPOINT : PERF_TYPE_SOFTWARE,
	    .sample_period = 1,
	    .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
	    .sample_id_all = 1,
	    .read_format = mp_perf_lost_format(),
	    .inherit = 1,
	    .inherit_thread = 1,
	    .use_clockid = 1,
	    .clockid = CLOCK_MONOTONIC,
	};
	switch (kind) {
	case EVENT_ENTRY:
		attr->config = (uint64_t)id;
		attr->sample_type |= PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER;
		attr->sample_regs_user = ENTRY_REGS;
		break;
	case EVENT_RETURN:
		attr->config = (uint64_t)id;
		attr->sample_type |= PERF_SAMPLE_REGS_USER;
		attr->sample_regs_user = RETURN_REGS;
		if (t->stack) {
			attr->sample_type |= PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_STACK_USER;
			attr->sample_stack_user = STACK_BYTES;
			attr->exclude_callchain_kernel = 1;
			attr->sample_max_stack = MP_MAX_FRAMES;
		}
		break;
	case EVENT_MARKER:
		attr->config = (uint64_t)id;
		attr->sample_type |= PERF_SAMPLE_RAW;
		break;
	case EVENT_MINOR_FAULT:
	case EVENT_MAJOR_FAULT:
		attr->config =
		    kind == EVENT_MINOR_FAULT ? PERF_COUNT_SW_PAGE_FAULTS_MIN : PERF_COUNT_SW_PAGE_FAULTS_MAJ;
		attr->sample_type |= PERF_SAMPLE_IP | PERF_SAMPLE_ADDR;
		break;
	default:
		attr->config = PERF_COUNT_SW_DUMMY;
		attr->context_switch = 1;
	}
}

static int by_id(const void *a, const void *b)
{
	const struct opened *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int open_event(
    struct tracefs_plane *t, enum event_kind kind, int event_id, pid_t tid, int cpu, struct mp_err *err)
{
	struct perf_event_attr attr;
	struct opened o = {.kind = kind};

	if (t->n_opened == t->opened_room) {
		size_t room = t->opened_room ? t->opened_room * 2 : 256;
		struct opened *more = reallocarray(t->opened, room, sizeof(*more));
		if (!more)
			return mp_err_set(err, ENOMEM, "out of memory");
		t->opened = more;
		t->opened_room = room;
	}
	describe_event(t, kind, event_id, &attr);
	o.fd = mp_perf_open(&attr, tid, cpu, -1);
	if (o.fd == -ESRCH)
		return 0; /* the thread ended meanwhile */
	if (o.fd < 0)
		return mp_err_set(err, -o.fd, "cannot open a perf event for thread %d: %s%s", tid,
		    strerror(-o.fd),
		    o.fd == -EMFILE
			? "; raise the limit of open files (ulimit -n): it takes some per thread and CPU"
			: "");
	if (ioctl(o.fd, PERF_EVENT_IOC_ID, &o.id) ||
	    ioctl(o.fd, PERF_EVENT_IOC_SET_OUTPUT, t->rings[cpu].fd)) {
		int code = errno;
		close(o.fd);
		return mp_err_set(err, code, "cannot direct a perf event into its ring: %s", strerror(code));
	}
	t->opened[t->n_opened++] = o;
	return 0;
}

struct thread_list {
	pid_t *tids;
	size_t n, room;
	size_t done; /* so many are opened */
};

static void note_thread(void *ctx, pid_t tid, const char *comm, int64_t start_ns)
{
	struct thread_list *l = ctx;

	(void)comm;
	(void)start_ns;
	for (size_t i = 0; i < l->n; i++)
		if (l->tids[i] == tid)
			return;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		pid_t *more = reallocarray(l->tids, room, sizeof(*more));
		if (!more)
			return;
		l->tids = more;
		l->room = room;
	}
	l->tids[l->n++] = tid;
}

/* The events of an attach. Returns before entries: an entry without its return would be counted as lost. */
enum {
	NAME_RETURN,
	NAME_ENTRY,
	NAME_MARKER, /* with a text */
	NAME_POOL,   /* without */
	NAMES
};

static const struct {
	const char *name;
	enum event_kind kind;
} events[NAMES] = {
    [NAME_RETURN] = {"return", EVENT_RETURN},
    [NAME_ENTRY] = {"entry", EVENT_ENTRY},
    [NAME_MARKER] = {"marker", EVENT_MARKER},
    [NAME_POOL] = {"pool", EVENT_MARKER},
};

/* `ids`: of the events by name; 0: this attach has none. */
static int open_thread(struct tracefs_plane *t, pid_t tid, const int *ids, struct mp_err *err)
{
	int ret = 0;

	for (int cpu = 0; !ret && cpu < t->cpus; cpu++) {
		if (t->rings[cpu].fd < 0)
			continue;
		for (int i = 0; !ret && i < NAMES; i++)
			if (ids[i])
				ret = open_event(t, events[i].kind, ids[i], tid, cpu, err);
		for (int kind = EVENT_MINOR_FAULT; !ret && t->kernel_events && kind < EVENT_KINDS; kind++)
			ret = open_event(t, kind, 0, tid, cpu, err);
	}
	return ret;
}

/* A thread that is created while we open is a child of one that is not opened yet: look again until there is
 * nothing new. */
static int open_threads(struct tracefs_plane *t, pid_t pid, const int *ids, struct mp_err *err)
{
	struct thread_list l = {0};
	int ret = 0;

	do {
		mp_target_each_thread(pid, note_thread, &l);
		if (l.done == l.n)
			break;
		while (!ret && l.done < l.n)
			ret = open_thread(t, l.tids[l.done++], ids, err);
	} while (!ret);
	free(l.tids);
	return ret;
}

static void event_name(unsigned int attach, int name, char text[static 32])
{
	snprintf(text, 32, "%s%u", events[name].name, attach);
}

static void close_opened(struct tracefs_plane *t)
{
	char name[32];

	for (size_t i = 0; i < t->n_opened; i++)
		close(t->opened[i].fd);
	t->n_opened = 0;
	for (; t->first_attach < t->attaches; t->first_attach++) {
		for (int i = 0; i < NAMES; i++) {
			event_name(t->first_attach, i, name);
			mp_tracefs_remove(&t->tracefs, name);
		}
	}
}

#ifdef __x86_64__
#define ARG_1 "%di"
#define ARG_2 "%si"
#define ARG_3 "%dx"
#define ARG_4 "%cx"
#else
#define ARG_1 "%x0"
#define ARG_2 "%x1"
#define ARG_3 "%x2"
#define ARG_4 "%x3"
#endif
#define MARKER_ARGS(a, b, c) "a=" a ":u64 b=" b ":u64 c=" c ":u64"
#define TEXT(reg)            " name=+0(" reg "):ustring"
#define NONE                 "\\0"

/* What a marker's record holds behind its kind: a, b, c and the text as enum mpsample_kind tells; the
 * registers are those of mpsample.h. */
static const char *const marker_args[] = {
    [MPSAMPLE_KIND_SPAN_BEGIN] = MARKER_ARGS(ARG_2, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_SPAN_END] = MARKER_ARGS(ARG_2, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_MARK] = MARKER_ARGS(ARG_2, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_PHASE] = MARKER_ARGS(NONE, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_POOL_CREATE] = MARKER_ARGS(ARG_1, ARG_3, ARG_4) TEXT(ARG_2),
    [MPSAMPLE_KIND_POOL_GET] = MARKER_ARGS(ARG_1, ARG_2, NONE),
    [MPSAMPLE_KIND_POOL_PUT] = MARKER_ARGS(ARG_1, ARG_2, NONE),
    [MPSAMPLE_KIND_POOL_EMPTY] = MARKER_ARGS(ARG_1, NONE, NONE),
    [MPSAMPLE_KIND_POOL_CLEAR] = MARKER_ARGS(ARG_1, NONE, NONE),
    [MPSAMPLE_KIND_POOL_DESTROY] = MARKER_ARGS(ARG_1, NONE, NONE),
    [MPSAMPLE_KIND_GAUGE] = MARKER_ARGS(ARG_2, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_COMPONENT_BEGIN] = MARKER_ARGS(NONE, NONE, NONE) TEXT(ARG_1),
    [MPSAMPLE_KIND_COMPONENT_END] = MARKER_ARGS(NONE, NONE, NONE),
};

static bool has_text(unsigned int kind)
{
	return kind <= MPSAMPLE_KIND_POOL_CREATE || kind == MPSAMPLE_KIND_GAUGE ||
	       kind == MPSAMPLE_KIND_COMPONENT_BEGIN;
}

/* Adds a probe to one of the events of the current attach; notes in `used` that it has one. */
static int add_to_event(struct tracefs_plane *t, int name, const struct mp_probe *p, uint64_t tag,
    const char *args, bool used[static NAMES], struct mp_err *err)
{
	char text[32];

	event_name(t->attaches - 1, name, text);
	used[name] = true;
	return mp_tracefs_add(&t->tracefs, name == NAME_RETURN ? 'r' : 'p', text, p->open_path,
	    p->module_offset, tag, args, err);
}

static int add_to_events(
    struct tracefs_plane *t, const struct mp_probe *p, bool used[static NAMES], struct mp_err *err)
{
	if (p->marker)
		return add_to_event(t, has_text(p->marker) ? NAME_MARKER : NAME_POOL, p, p->marker,
		    marker_args[p->marker], used, err);

	uint64_t tag = mp_probe_cookie(p, MP_PROBES_ALWAYS);
	int ret = add_to_event(t, NAME_ENTRY, p, tag, "", used, err);
	return ret ? ret : add_to_event(t, NAME_RETURN, p, tag, "", used, err);
}

static int tracefs_attach(void *impl, pid_t pid, enum mp_probe_group group, const struct mp_probe *probes,
    size_t n, struct mp_err *err)
{
	struct tracefs_plane *t = impl;
	(void)group; /* all stay in for the whole recording */
	bool used[NAMES] = {false};
	int ids[NAMES] = {0};
	char name[32];
	int ret = 0;

	if (t->detached) {
		close_opened(t);
		t->detached = false;
	}
	t->attaches++;
	for (size_t i = 0; !ret && i < n; i++)
		ret = add_to_events(t, &probes[i], used, err);
	for (int i = 0; !ret && i < NAMES; i++) {
		event_name(t->attaches - 1, i, name);
		if (used[i])
			ids[i] = mp_tracefs_event_id(&t->tracefs, name);
		if (ids[i] < 0)
			ret =
			    mp_err_set(err, EIO, "tracefs does not show the event %s that it accepted", name);
	}
	if (ret)
		return ret;

	/* Faults and switches are opened once, with the target's first probes. */
	t->kernel_events = t->watch != MP_WATCH_NOTHING && pid != getpid() && t->n_opened == 0;
	ret = open_threads(t, pid, ids, err);
	qsort(t->opened, t->n_opened, sizeof(*t->opened), by_id);
	return ret;
}

/* ---- Reading ---- */

static const struct opened *find_opened(const struct tracefs_plane *t, uint64_t id)
{
	struct opened key = {.id = id};
	return t->n_opened ? bsearch(&key, t->opened, t->n_opened, sizeof(key), by_id) : NULL;
}

/* IDENTIFIER, then IP where it is asked for, then TID and TIME; in other records they stand at the end. */
static int64_t time_of(const struct tracefs_plane *t, const struct perf_event_header *h)
{
	const uint64_t *words = (const void *)(h + 1);

	if (h->type == PERF_RECORD_SWITCH)
		return (int64_t)words[1]; /* TID, TIME, IDENTIFIER */
	const struct opened *o = find_opened(t, words[0]);
	return (int64_t)words[o && o->kind >= EVENT_MINOR_FAULT ? 3 : 2];
}

static void collect(void *ctx, const struct perf_event_header *h)
{
	struct tracefs_plane *t = ctx;

	struct mp_perf_lost_record l;
	if (mp_perf_lost_record(h, &l)) {
		const struct opened *o = find_opened(t, l.id);
		t->lost_records[o ? o->kind : EVENT_SWITCH] += l.lost;
	}
	if ((h->type != PERF_RECORD_SAMPLE && h->type != PERF_RECORD_SWITCH) ||
	    h->size < sizeof(*h) + 3 * sizeof(uint64_t))
		return;
	if (!mp_perf_merge_add(&t->merge, time_of(t, h), t->collecting_cpu, h))
		t->dropped_here++;
}

static void take_entry(struct tracefs_plane *t, pid_t tid, int64_t t_ns, const uint64_t *at)
{
	/* RAW: a 32-bit size, then the trace record: 8 bytes common, 8 the probe's address, 8 `op`
	 * (tracefs.c). */
	uint32_t raw_bytes;
	uint64_t tag;

	memcpy(&raw_bytes, at, sizeof(raw_bytes));
	memcpy(&tag, (const char *)at + 4 + 16, sizeof(tag));
	const uint64_t *regs = (const void *)((const char *)at + 4 + raw_bytes);
	if ((tag & 0xff) > MP_OP_CALIBRATE || !regs[0])
		return;
	struct mp_entry_record e = {.tid = tid,
	    .op = tag & 0xff,
	    .is_stepped = tag >> 24 & 1,
	    .t_ns = t_ns,
	    .sp = regs[1 + ENTRY_SP]};
	reg_args(regs + 1, e.args);
	mp_pairing_entry(t->pairing, &e);
}

/* RAW: a 32-bit size, then the trace record: 8 bytes common, 8 the probe's address, 8 each the kind, a, b and
 * c; of one with a text 4 that say where it is (its offset in the record, its length << 16). */
#define RAW_MARKER_WORDS 6

static void take_marker(
    struct tracefs_plane *t, pid_t tid, int64_t t_ns, const uint64_t *at, struct mp_pipeline *p)
{
	const char *raw = (const char *)at + 4;
	char name[MP_MARKER_NAME_BYTES] = "";
	uint64_t words[RAW_MARKER_WORDS];
	uint32_t raw_bytes, place;

	t->markers_read++;
	memcpy(&raw_bytes, at, sizeof(raw_bytes));
	if (!p || raw_bytes < sizeof(words) + sizeof(place))
		return;
	memcpy(words, raw, sizeof(words));
	unsigned int kind = (unsigned int)words[2];
	bool has_name = false;
	if (has_text(kind)) {
		memcpy(&place, raw + sizeof(words), sizeof(place));
		uint32_t offset = place & 0xffff, bytes = place >> 16;
		if (offset < raw_bytes && bytes <= raw_bytes - offset)
			memcpy(name, raw + offset, bytes < sizeof(name) - 1 ? bytes : sizeof(name) - 1);
		has_name = name[0] && strcmp(name, "(fault)");
	}
	if (kind >= MPSAMPLE_KIND_POOL_CREATE && kind <= MPSAMPLE_KIND_POOL_CLEAR) {
		bool is_create = kind == MPSAMPLE_KIND_POOL_CREATE;
		const struct mp_pool_event e = {.tid = tid,
		    .t_ns = t_ns,
		    .kind = kind,
		    .dur_ns = -1,
		    .pool = words[3],
		    .ptr = is_create ? 0 : words[4],
		    .object_bytes = is_create ? (int64_t)words[4] : -1,
		    .capacity = is_create ? (int64_t)words[5] : -1,
		    .name = has_name ? name : NULL,
		    .ip = words[1] + 1};
		mp_pipeline_pool(p, &e);
		return;
	}
	struct mp_marker_event e = {.tid = tid,
	    .t_ns = t_ns,
	    .kind = kind,
	    .a = words[3],
	    .name = has_name ? name : NULL,
	    .sums = MP_THREAD_SUMS_UNKNOWN};
	mp_pipeline_marker(p, &e);
}

/* STACK_USER: the size asked for, so many bytes, and how many of them are valid; only the size when it is 0.
 */
static void take_stack(int64_t t_ns, const uint64_t *regs, const uint64_t *at, struct mp_stack_state *out)
{
	unsigned long long saved[MP_SAVED_REGS];

	*out = (struct mp_stack_state){.ip = regs[RETURN_IP],
	    .bytes_at = regs[RETURN_SP],
	    .bytes = (const unsigned char *)(at + 1),
	    .t_ns = t_ns,
	    .ip_is_return = true};
	if (at[0])
		out->n_bytes = at[1 + at[0] / sizeof(*at)];
	if (out->n_bytes > at[0])
		out->n_bytes = 0;
	reg_saved(regs, saved);
	mp_stack_state_set_saved(out, regs[RETURN_SP], saved);
}

static void take_return(
    struct tracefs_plane *t, pid_t tid, int64_t t_ns, const uint64_t *at, struct mp_pipeline *p)
{
	uint64_t ip[MP_MAX_FRAMES];
	struct mp_stack_state stack;
	struct mp_return_record r = {.tid = tid, .t_ns = t_ns, .ip = ip};

	if (t->stack) {
		uint64_t n = *at++;
		for (uint64_t i = 0; i < n; i++, at++)
			if (*at < PERF_CONTEXT_MAX && r.nframes < MP_MAX_FRAMES)
				ip[r.nframes++] = *at;
	}
	if (!at[0])
		return; /* no registers: a kernel thread's record cannot be here */
	r.sp = at[1 + RETURN_SP];
	r.value = reg_value(at + 1);
	if (t->stack) {
		take_stack(t_ns, at + 1, at + 1 + N_RETURN_REGS, &stack);
		r.stack = &stack;
	}
	mp_pairing_return(t->pairing, &r, p);
}

static void take_fault(
    struct tracefs_plane *t, enum event_kind kind, const uint64_t *words, struct mp_pipeline *p)
{
	/* IDENTIFIER, IP, TID, TIME, ADDR */
	enum mp_kernel_kind k = kind == EVENT_MINOR_FAULT ? MP_KERNEL_MINOR_FAULT : MP_KERNEL_MAJOR_FAULT;

	const struct mp_kernel_interval event = {.tid = (pid_t)(words[2] >> 32),
	    .kind = k,
	    .is_row = true,
	    .t_ns = (int64_t)words[3],
	    .dur_ns = -1,
	    .addr = words[4],
	    .ip = words[1]};

	mp_pairing_count_kernel_event(t->pairing, k);
	if (p)
		mp_pipeline_kernel_event(p, &event);
}

struct drain {
	struct tracefs_plane *t;
	struct mp_pipeline *pipeline;
};

static void take(void *ctx, const struct perf_event_header *h, int64_t t_ns, int cpu)
{
	struct tracefs_plane *t = ((const struct drain *)ctx)->t;
	struct mp_pipeline *p = ((const struct drain *)ctx)->pipeline;
	const uint64_t *words = (const void *)(h + 1);

	if (t_ns < t->enabled_ns)
		return;
	if (h->type == PERF_RECORD_SWITCH) {
		mp_pairing_switch(
		    t->pairing, (pid_t)(words[0] >> 32), t_ns, h->misc & PERF_RECORD_MISC_SWITCH_OUT, cpu, p);
		return;
	}
	const struct opened *o = find_opened(t, words[0]);
	if (!o)
		return;
	if (o->kind == EVENT_ENTRY)
		take_entry(t, (pid_t)(words[1] >> 32), t_ns, words + 3);
	else if (o->kind == EVENT_RETURN)
		take_return(t, (pid_t)(words[1] >> 32), t_ns, words + 3, p);
	else if (o->kind == EVENT_MARKER)
		take_marker(t, (pid_t)(words[1] >> 32), t_ns, words + 3, p);
	else
		take_fault(t, o->kind, words, p);
}

/*
 * A CPU's ring is in order, the rings together are not: what is newer than the begin of the previous look may
 * still have older companions in rings that were read before it was written, and waits for the next look.
 */
static bool tracefs_drain(void *impl, struct mp_pipeline *p, int64_t kernel_credit)
{
	struct tracefs_plane *t = impl;
	int64_t begin = now_ns(), up_to = t->enabled ? t->complete_ns : INT64_MAX;
	struct drain d = {t, p};

	(void)kernel_credit; /* the rings bound the rows of kernel events here */
	for (t->collecting_cpu = 0; t->collecting_cpu < t->cpus; t->collecting_cpu++)
		if (t->rings[t->collecting_cpu].fd >= 0)
			mp_perf_ring_read(&t->rings[t->collecting_cpu], collect, t);
	mp_perf_merge_take(&t->merge, up_to, take, &d);
	t->known_ns = up_to;
	t->complete_ns = begin;
	/* As counted when it was last asked for: at the end of each slot, and at detach. */
	if (p && t->lost_markers > t->told_markers) {
		mp_pipeline_loss(p, begin, "perf ring", "events", t->lost_markers - t->told_markers);
		t->told_markers = t->lost_markers;
		mp_pipeline_scopes_over(p);
	}
	return false; /* all that was there has been read */
}

static int64_t tracefs_known_ns(void *impl)
{
	return ((struct tracefs_plane *)impl)->known_ns;
}

static void count_lost(struct tracefs_plane *t)
{
	const uint64_t *told = t->lost_records;

	t->lost_entries = t->lost_returns = t->lost_markers = t->lost_others = 0;
	if (!mp_perf_knows_lost()) {
		t->lost_entries = told[EVENT_ENTRY];
		t->lost_returns = told[EVENT_RETURN];
		t->lost_markers = told[EVENT_MARKER];
		t->lost_others = told[EVENT_MINOR_FAULT] + told[EVENT_MAJOR_FAULT] + told[EVENT_SWITCH];
		return;
	}
	for (size_t i = 0; i < t->n_opened; i++) {
		uint64_t lost = mp_perf_lost(t->opened[i].fd);
		if (t->opened[i].kind == EVENT_ENTRY)
			t->lost_entries += lost;
		else if (t->opened[i].kind == EVENT_RETURN)
			t->lost_returns += lost;
		else if (t->opened[i].kind == EVENT_MARKER)
			t->lost_markers += lost;
		else
			t->lost_others += lost;
	}
}

/* A call is lost with its return's record, or when its return comes without an entry. Returns of calls that
 * were under way at the attach have none either: they are lost only as far as entries were. */
static void tracefs_stats(void *impl, struct mp_uprobe_stats *out)
{
	struct tracefs_plane *t = impl;
	uint64_t orphans;

	if (t->n_opened)
		count_lost(t);
	mp_pairing_stats(t->pairing, out, &orphans);
	out->calls_lost +=
	    t->lost_returns + (orphans < t->lost_entries ? orphans : t->lost_entries) + t->dropped_here;
	/* Lost returns leave unpaired entries, of which some are noticed later: never take a figure back. */
	uint64_t unpaired = out->unpaired > t->lost_returns ? out->unpaired - t->lost_returns : 0;
	t->unpaired = unpaired > t->unpaired ? unpaired : t->unpaired;
	out->unpaired = t->unpaired;
	out->kernel_rows_lost += t->lost_others;
	out->marker_hits = t->markers_read + t->lost_markers;
}

static void tracefs_enable(void *impl, bool on, pid_t kernel_events_of, uint32_t hand_over_ns)
{
	struct tracefs_plane *t = impl;

	(void)kernel_events_of;
	(void)hand_over_ns; /* all are, always */
	if (on)
		t->enabled_ns = t->complete_ns = now_ns();
	t->enabled = on;
}

static void tracefs_keep(void *impl, const struct mp_keep *keep, const struct mp_floor *floor)
{
	struct tracefs_plane *t = impl;

	if (!t->n_opened || t->detached)
		t->stack = keep->stack; /* decided when the events are opened */
	mp_pairing_keep(t->pairing, keep, floor);
}

static struct mp_hist_view tracefs_hists(void *impl)
{
	return mp_pairing_hists(((struct tracefs_plane *)impl)->pairing);
}

static void tracefs_split(void *impl, uint64_t split)
{
	mp_pairing_split(((struct tracefs_plane *)impl)->pairing, split);
}

/* Why a thread is off the CPU is not known here, nor how long a page fault takes. */
static uint32_t tracefs_sees(void *impl)
{
	(void)impl;
	return 1u << MP_KERNEL_OFF_CPU;
}

static int tracefs_fd(void *impl)
{
	return ((struct tracefs_plane *)impl)->epoll;
}

static void tracefs_detach(void *impl)
{
	struct tracefs_plane *t = impl;

	/* The records name events by id: read them while the ids are known. */
	for (size_t i = 0; i < t->n_opened; i++)
		ioctl(t->opened[i].fd, PERF_EVENT_IOC_DISABLE, 0);
	count_lost(t);
	t->enabled = false;
	t->detached = true;
}

const struct mp_uprobe_ops mp_uprobe_tracefs = {
    .backend = MP_BACKEND_TRACEFS,
    .open = tracefs_open,
    .attach = tracefs_attach,
    .enable = tracefs_enable,
    .keep = tracefs_keep,
    .hists = tracefs_hists,
    .split = tracefs_split,
    .stats = tracefs_stats,
    .sees = tracefs_sees,
    .fd = tracefs_fd,
    .known_ns = tracefs_known_ns,
    .drain = tracefs_drain,
    .detach = tracefs_detach,
    .close = tracefs_close,
};
