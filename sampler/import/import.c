/* SPDX-License-Identifier: MIT */
#include "sampler/import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sampler/import/event.h"
#include "sampler/import/maps.h"
#include "sampler/import/threads.h"
#include "sampler/perf/level.h"
#include "sampler/profile.h"
#include "sampler/stack_table.h"
#include "store/append.h"

#define NS_PER_S 1000000000

/* Frames of a stack: what is deeper is cut, and marked so. */
#define MAX_DEPTH 256

/* Records between two looks at the outside. */
#define TURN 4096

/* Kinds of records that are only counted, as `counter` names them. */
static const char *const counted[PERF_RECORD_MAX] = {
    [PERF_RECORD_THROTTLE] = "throttle",
    [PERF_RECORD_UNTHROTTLE] = "unthrottle",
    [PERF_RECORD_READ] = "read",
    [PERF_RECORD_AUX] = "aux",
    [PERF_RECORD_ITRACE_START] = "itrace_start",
    [PERF_RECORD_SWITCH] = "switch",
    [PERF_RECORD_SWITCH_CPU_WIDE] = "switch_cpu_wide",
    [PERF_RECORD_NAMESPACES] = "namespaces",
    [PERF_RECORD_KSYMBOL] = "ksymbol",
    [PERF_RECORD_BPF_EVENT] = "bpf_event",
    [PERF_RECORD_CGROUP] = "cgroup",
    [PERF_RECORD_TEXT_POKE] = "text_poke",
    [PERF_RECORD_AUX_OUTPUT_HW_ID] = "aux_output_hw_id",
};

struct import {
	const struct mp_import_options *o;
	struct mp_import_totals *totals;
	struct mp_session *session;
	struct mp_perf_data *data;
	struct mp_import_maps *maps;
	struct mp_import_threads *threads;
	struct mp_stack_table *stacks;
	uint32_t pid;              /* whose stack is looked up */
	int64_t first_ns, last_ns; /* < 0: no time was told yet */
	int64_t slot_ns;           /* second of the counts below */
	uint64_t counts[PERF_RECORD_MAX];
	uint64_t kinds;   /* which of them are not 0 */
	int64_t only_pid; /* the process of all samples; -1: none yet, -2: there are several */
	uint64_t turns;
	uint64_t lost_told, lost_exactly; /* for want of room in the rings */
};

static const char ring_full[] = "perf record: ring full";

/* ---- Samples ---- */

static bool is_context_mark(uint64_t word)
{
	return word >= (uint64_t)PERF_CONTEXT_MAX;
}

/*
 * The sampled instruction, and how the user's code came there. A frame's address is a return address, of
 * which the byte before is meant: for addresses that are exact, those behind them.
 */
static size_t stack_of(const struct mp_perf_record *r, uint64_t *out)
{
	bool is_user = false, is_exact = false;
	size_t n = 0;

	out[n++] = r->ip + 1;
	for (size_t i = 0; i < r->callchain.n && n < MAX_DEPTH; i++) {
		uint64_t word = mp_perf_u64(&r->callchain, i);
		if (is_context_mark(word)) {
			is_user = is_exact = word == (uint64_t)PERF_CONTEXT_USER;
			continue;
		}
		if (is_user && word && !(is_exact && word == r->ip))
			out[n++] = word + is_exact;
		is_exact = false;
	}
	return n;
}

static int add_stack(
    struct import *m, const struct mp_perf_record *r, int64_t t_ns, int64_t *stack_id, struct mp_err *err)
{
	uint64_t ip[MAX_DEPTH];
	struct mp_unwound how;

	*stack_id = 0;
	if (!(r->has & PERF_SAMPLE_IP))
		return 0;
	how.n = stack_of(r, ip);
	/* Without a chain the instruction is all that was taken. */
	bool has_chain = r->has & PERF_SAMPLE_CALLCHAIN;
	how.quality = has_chain ? MP_STACK_FP : MP_STACK_NONE;
	how.end = how.n == MAX_DEPTH ? MP_STACK_FULL : has_chain ? MP_STACK_LOST : MP_STACK_CUT;
	m->pid = r->pid;
	return mp_stack_table_add_addresses(m->stacks, ip, &how, t_ns, stack_id, err);
}

static uint32_t module_of(void *ctx, uint64_t addr, int64_t t_ns)
{
	struct import *m = ctx;

	(void)t_ns; /* records come in time order: now is then */
	return mp_import_maps_module(m->maps, m->pid, addr);
}

static enum mp_sample_quality event_quality(const struct import *m, size_t event)
{
	const struct mp_perf_data_event *e = mp_perf_data_event(m->data, event);

	return mp_import_event_quality(
	    e, mp_perf_data_pmu(m->data, e->attr.type), mp_perf_data_about(m->data));
}

/* What the event promises, and this sample has not: an address that could not be told. */
static enum mp_sample_quality sample_quality(
    const struct import *m, size_t event, const struct mp_sample_row *row)
{
	enum mp_sample_quality q = event_quality(m, event);

	return q >= MP_SAMPLE_DATA && !row->has_addr && !row->data_src ? MP_SAMPLE_PRECISE : q;
}

static uint64_t period_of(const struct import *m, const struct mp_perf_record *r, size_t event)
{
	const struct perf_event_attr *a = &mp_perf_data_event(m->data, event)->attr;

	if (r->has & PERF_SAMPLE_PERIOD)
		return r->period;
	return a->freq || !a->sample_period ? 1 : a->sample_period;
}

static int take_sample(
    struct import *m, const struct mp_perf_record *r, size_t event, int64_t t_ns, struct mp_err *err)
{
	bool has_weight = r->has & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT);
	struct mp_access access = mp_access_of(r->data_src);
	struct mp_sample_row row = {.t_ns = t_ns,
	    .tid = (int32_t)r->tid,
	    .cpu = r->has & PERF_SAMPLE_CPU ? (int64_t)r->cpu : -1,
	    .event_id = (int64_t)event + 1,
	    .ip = r->ip,
	    .has_addr = r->addr != 0, /* what had none is told as 0 */
	    .addr = r->addr,
	    .period = period_of(m, r, event),
	    .weight = has_weight ? (int64_t)(r->weight & INT64_MAX) : -1,
	    .data_src = r->data_src,
	    .level = access.level,
	    .tlb = access.tlb,
	    .is_write = access.is_write,
	    .offset = -1};

	row.quality = sample_quality(m, event, &row);
	if (row.has_addr)
		mp_import_maps_place(m->maps, r->pid, r->addr, &row);
	int ret = add_stack(m, r, t_ns, &row.stack_id, err);
	if (!ret && r->has & PERF_SAMPLE_TID && mp_import_threads_seen(m->threads, r->tid, t_ns))
		ret = mp_err_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = mp_append_sample(m->session, &row, NULL, err);
	if (m->only_pid != (int64_t)r->pid)
		m->only_pid = m->only_pid == -1 ? (int64_t)r->pid : -2;
	m->totals->samples++;
	return ret;
}

/* ---- Other records ---- */

static int store_counts(struct import *m, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && m->kinds && i < PERF_RECORD_MAX; i++)
		if (m->counts[i])
			ret = mp_append_counter(
			    m->session, m->slot_ns, counted[i], (int64_t)(m->counts[i] & INT64_MAX), err);
	memset(m->counts, 0, sizeof(m->counts));
	m->kinds = 0;
	return ret;
}

static int count_kind(struct import *m, uint32_t type, int64_t t_ns, struct mp_err *err)
{
	int64_t slot = t_ns - t_ns % NS_PER_S;
	int ret = slot == m->slot_ns ? 0 : store_counts(m, err);

	m->slot_ns = slot;
	m->counts[type]++;
	m->kinds |= UINT64_C(1) << type;
	return ret;
}

static int lose(struct import *m, int64_t t_ns, const char *source, uint64_t lost, struct mp_err *err)
{
	m->totals->lost += lost;
	return lost ? mp_append_loss(m->session, t_ns, source, "events", lost, err) : 0;
}

/*
 * What the ring had no room for is told twice since Linux 6.1: as it happens, but for the end of a loss, and
 * by perf when the recording ends, exactly (PERF_FORMAT_LOST), in records without a time that the kernel has
 * for something else: samples that the hardware took and it could not write.
 */
static int take_loss(struct import *m, const struct mp_perf_record *r, int64_t t_ns, struct mp_err *err)
{
	enum { MISC_FILTERED = 1 << 15 }; /* left out at the user's wish: perf record --filter, since 6.2 */

	if (r->type == PERF_RECORD_LOST) {
		m->lost_told += r->u.lost.lost;
		return lose(m, t_ns, ring_full, r->u.lost.lost, err);
	}
	if (!(r->has & PERF_SAMPLE_TIME) || r->time)
		return lose(m, t_ns, "perf record: samples dropped by the kernel", r->u.lost.lost, err);
	if (!(r->misc & MISC_FILTERED))
		m->lost_exactly += r->u.lost.lost;
	return 0;
}

static int take_other(struct import *m, const struct mp_perf_record *r, int64_t t_ns, struct mp_err *err)
{
	int ret = mp_import_maps_take(m->maps, r);

	if (!ret)
		ret = mp_import_threads_take(m->threads, r, t_ns);
	if (ret)
		return mp_err_set(err, -ret, "out of memory");
	if (r->type == PERF_RECORD_LOST || r->type == PERF_RECORD_LOST_SAMPLES)
		return take_loss(m, r, t_ns, err);
	return counted[r->type] ? count_kind(m, r->type, t_ns, err) : 0;
}

/* Of records without a time, the last that was told. */
static int64_t time_of(struct import *m, const struct mp_perf_record *r)
{
	int64_t t = r->time < INT64_MAX ? (int64_t)r->time : INT64_MAX;

	if (!(r->has & PERF_SAMPLE_TIME) || !r->time)
		return m->last_ns < 0 ? 0 : m->last_ns;
	m->first_ns = m->first_ns < 0 || t < m->first_ns ? t : m->first_ns;
	m->last_ns = t > m->last_ns ? t : m->last_ns;
	return t;
}

static int look_outside(struct import *m, struct mp_err *err)
{
	if (m->turns++ % TURN)
		return 0;
	if (m->o->stop && *m->o->stop)
		return mp_err_set(err, EINTR, "import of %s was stopped: nothing is written", m->o->input);
	if (m->o->progress && mp_perf_data_percent(m->data) >= 0)
		m->o->progress(mp_perf_data_percent(m->data));
	return 0;
}

static int take(void *ctx, const struct mp_perf_record *r, size_t event, struct mp_err *err)
{
	struct import *m = ctx;
	int64_t t_ns = time_of(m, r);
	int ret = look_outside(m, err);

	if (ret)
		return ret;
	return r->type == PERF_RECORD_SAMPLE ? take_sample(m, r, event, t_ns, err)
					     : take_other(m, r, t_ns, err);
}

/* ---- The end ---- */

static int store_events(struct import *m, struct mp_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < mp_perf_data_events(m->data); i++) {
		const struct mp_perf_data_event *e = mp_perf_data_event(m->data, i);
		const char *pmu = mp_perf_data_pmu(m->data, e->attr.type);
		bool is_dummy = mp_import_event_is_dummy(e);
		char name[128], chosen[256];

		mp_import_event_name(e, pmu, name, sizeof(name));
		mp_import_event_chosen(e, pmu, chosen, sizeof(chosen));
		struct mp_event_row row = {.event_id = (int64_t)i + 1,
		    .name = name,
		    .chosen = chosen,
		    .note = is_dummy ? "only carries what threads and mappings do" : NULL,
		    .is_sampled = !is_dummy,
		    .quality = event_quality(m, i)};
		ret = mp_append_event(m->session, &row, err);
		m->totals->events += !is_dummy;
	}
	return ret;
}

static int store_losses(struct import *m, struct mp_err *err)
{
	const struct mp_perf_data_totals *t = mp_perf_data_totals(m->data);
	const struct {
		const char *source;
		uint64_t lost;
	} losses[] = {
	    {ring_full, m->lost_exactly > m->lost_told ? m->lost_exactly - m->lost_told : 0},
	    {"import: damaged records", t->broken},
	    {"import: events that the file does not describe", t->no_event},
	    {"import: too many mappings", mp_import_maps_refused(m->maps)},
	    {"import: too many threads", mp_import_threads_refused(m->threads)},
	    {"import: too many stacks", mp_stack_table_take_dropped(m->stacks)},
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(losses) / sizeof(*losses); i++)
		ret = lose(m, m->last_ns, losses[i].source, losses[i].lost, err);
	return ret;
}

static const char *clock_name(int id)
{
	static const char *const names[] = {[CLOCK_REALTIME] = "CLOCK_REALTIME",
	    [CLOCK_MONOTONIC] = "CLOCK_MONOTONIC",
	    [CLOCK_MONOTONIC_RAW] = "CLOCK_MONOTONIC_RAW",
	    [CLOCK_BOOTTIME] = "CLOCK_BOOTTIME",
	    [CLOCK_TAI] = "CLOCK_TAI"};
	const char *name = id >= 0 && (size_t)id < sizeof(names) / sizeof(*names) ? names[id] : NULL;

	return name ? name : "another clock of clock_gettime(2)";
}

/* Without one that was asked for, perf's times are those of the kernel's scheduler. */
static const char *clock_of(const struct import *m)
{
	const struct perf_event_attr *a =
	    mp_perf_data_events(m->data) ? &mp_perf_data_event(m->data, 0)->attr : NULL;

	return a && a->use_clockid ? clock_name(a->clockid) : "perf's (sched_clock of the recorded machine)";
}

static int describe_machine(struct import *m, struct mp_err *err)
{
	const struct mp_perf_data_about *a = mp_perf_data_about(m->data);
	struct mp_session *s = m->session;

	if (mp_session_set(s, err, "command", "%s", *a->command ? a->command : "perf record") ||
	    (m->only_pid >= 0 && mp_session_set(s, err, "pid", "%" PRId64, m->only_pid)) ||
	    (*a->host && mp_session_set(s, err, "host", "%s", a->host)) ||
	    (*a->kernel && mp_session_set(s, err, "kernel", "Linux %s %s", a->kernel, a->arch)) ||
	    (*a->cpu && mp_session_set(s, err, "cpu", "%s", a->cpu)) ||
	    mp_session_set(s, err, "backend", "perf%s%s", *a->version ? " " : "", a->version))
		return -EIO;
	return a->has_clock && a->clock_ns < INT64_MAX && a->real_ns < INT64_MAX
		   ? mp_append_clock(s, (int64_t)a->clock_ns, (int64_t)a->real_ns, err)
		   : 0;
}

static int describe(struct import *m, struct mp_err *err)
{
	const struct mp_perf_data_about *a = mp_perf_data_about(m->data);
	const struct mp_perf_data_totals *t = mp_perf_data_totals(m->data);
	struct mp_session *s = m->session;

	if (mp_session_set(s, err, "planes", "import") || mp_session_set(s, err, "probe", "none") ||
	    mp_session_set(s, err, "version", "%s", MP_VERSION) ||
	    mp_session_set(s, err, "options", "%s", m->o->options_text ? m->o->options_text : "") ||
	    mp_session_set(s, err, "import_file", "%s", m->o->input) ||
	    mp_session_set(s, err, "import_format", "perf.data, %s mode, %s-endian%s",
		a->is_pipe ? "pipe" : "file",
		a->is_swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? "big" : "little",
		t->compressed ? ", compressed" : "") ||
	    mp_session_set(s, err, "import_records", "%" PRIu64, t->records) ||
	    mp_session_set(s, err, "import_unknown_records", "%" PRIu64, t->unknown) ||
	    mp_session_set(s, err, "import_late_records", "%" PRIu64, t->late) ||
	    mp_session_set(s, err, "clock", "%s", clock_of(m)) ||
	    mp_session_set(s, err, "start_ns", "%" PRId64, m->first_ns) ||
	    mp_session_set(s, err, "end_ns", "%" PRId64, m->last_ns) ||
	    mp_session_set(s, err, "duration_ns", "%" PRId64, m->last_ns - m->first_ns) ||
	    mp_session_set(s, err, "end_reason", "%s%s",
		t->is_cut ? "the recording is not whole: " : "end of the recording", t->why))
		return -EIO;
	return describe_machine(m, err);
}

static int name_frames(struct import *m, struct mp_err *err)
{
	struct mp_profiles profiles;
	size_t n = 0;
	int ret = mp_profiles_load(&profiles, err);

	if (ret)
		return ret;
	struct mp_symbolizer *symbolizer = mp_symbolizer_new(0, &m->o->symbolize);
	uint32_t *numbers = symbolizer ? mp_import_maps_tell(m->maps, m->data, symbolizer, &n) : NULL;
	const struct mp_naming naming = {.session = m->session,
	    .symbolizer = symbolizer,
	    .numbers = numbers,
	    .n_numbers = n,
	    .is_wrapper = mp_profile_is_wrapper,
	    .ctx = &profiles};
	ret = numbers ? mp_naming_run(&naming, &m->totals->names, err)
		      : mp_err_set(err, ENOMEM, "out of memory");
	free(numbers);
	mp_symbolizer_free(symbolizer);
	mp_profiles_free(&profiles);
	return ret;
}

/* A file that is cut off where nothing is yet makes no session. */
static int check_content(struct import *m, struct mp_err *err)
{
	const struct mp_perf_data_totals *t = mp_perf_data_totals(m->data);

	m->totals->data = *t;
	if (m->first_ns < 0)
		m->first_ns = m->last_ns = 0;
	if (t->records)
		return 0;
	return mp_err_set(err, ENODATA, "%s holds no record that can be read%s%s; record again", m->o->input,
	    t->is_cut ? ": " : "", t->why);
}

static int finish(struct import *m, struct mp_err *err)
{
	int ret = check_content(m, err);

	if (!ret)
		ret = store_counts(m, err);
	if (!ret)
		ret = store_events(m, err);
	if (!ret)
		ret = mp_import_threads_store(m->threads, m->session, m->first_ns, err);
	if (!ret)
		ret = mp_import_maps_store(m->maps, m->session, m->data, m->first_ns, err);
	if (!ret)
		ret = store_losses(m, err);
	if (!ret)
		ret = describe(m, err);
	if (!ret && !m->o->symbolize_later)
		ret = name_frames(m, err);
	return ret;
}

/* ---- All ---- */

static int open_input(const struct mp_import_options *o, int *fd, struct mp_err *err)
{
	struct stat in, out;

	*fd = strcmp(o->input, "-") ? open(o->input, O_RDONLY | O_CLOEXEC) : fcntl(0, F_DUPFD_CLOEXEC, 0);
	if (*fd < 0)
		return mp_err_set(err, errno,
		    "cannot read %s: %s; give a file that perf record wrote, or a log of a JVM", o->input,
		    strerror(errno));
	if (!fstat(*fd, &in) && !stat(o->output, &out) && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
		return mp_err_set(err, EEXIST,
		    "cannot write %s: it is the recording itself; choose another name for the session",
		    o->output);
	return 0;
}

static int import_all(struct import *m, struct mp_err *err)
{
	m->maps = mp_import_maps_new();
	m->threads = mp_import_threads_new();
	m->stacks = mp_stack_table_new_of(m->session, module_of, m);
	if (!m->maps || !m->threads || !m->stacks)
		return mp_err_set(err, ENOMEM, "out of memory");
	int ret = mp_perf_data_read(m->data, take, m, err);
	if (!ret)
		ret = finish(m, err);
	return ret ? ret : mp_session_publish(m->session, err);
}

int mp_import(const struct mp_import_options *o, struct mp_import_totals *totals, struct mp_err *err)
{
	struct import m = {.o = o, .totals = totals, .first_ns = -1, .last_ns = -1, .only_pid = -1};
	int fd = -1, ret = open_input(o, &fd, err);

	*totals = (struct mp_import_totals){0};
	if (!ret)
		ret = mp_perf_data_open(fd, o->input, &m.data, err);
	if (!ret)
		ret = mp_session_create(o->output, o->force, &m.session, err);
	if (!ret)
		ret = import_all(&m, err);
	int closed = mp_session_close(m.session, ret ? NULL : err);
	mp_stack_table_free(m.stacks);
	mp_import_threads_free(m.threads);
	mp_import_maps_free(m.maps);
	mp_perf_data_close(m.data);
	if (fd >= 0)
		close(fd);
	return ret ? ret : closed;
}
