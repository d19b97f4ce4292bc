/* SPDX-License-Identifier: MIT */
#include "sampler/perf/event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sampler/perf/event_priv.h"
#include "sampler/perf/ring.h"

/* For an attempt only, and a multiple of 16, which IBS wants. */
#define TRIED_PERIOD 65536

const char *mp_event_reason(int code)
{
	switch (-code) {
	case EACCES:
	case EPERM:
		return "not permitted";
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
	case EINVAL:
		return "not supported";
	default:
		return strerror(-code);
	}
}

void mp_event_tell_precise(struct mp_event *e)
{
	size_t n = strlen(e->chosen);

	if (e->attr.precise_ip)
		snprintf(e->chosen + n, sizeof(e->chosen) - n, ":precise=%u", e->attr.precise_ip);
}

/* As mp_perf_open() of one thread, or of a whole CPU. */
static int open_one(
    const struct mp_event_machine *m, const struct mp_event *e, struct perf_event_attr *a, int group_fd)
{
	a->disabled = group_fd < 0;
	if (!a->sample_period)
		a->sample_period = TRIED_PERIOD;
	a->sample_type |= PERF_SAMPLE_IP | PERF_SAMPLE_TID;
	return m->open(m->ctx, a, e->is_system_wide ? -1 : 0, e->is_system_wide ? 0 : -1, group_fd);
}

int mp_event_try(const struct mp_event_machine *m, const struct mp_event *e)
{
	struct perf_event_attr a = e->attr, leader = e->leader;
	int leader_fd = e->has_leader ? open_one(m, e, &leader, -1) : -1;

	if (e->has_leader && leader_fd < 0)
		return leader_fd;
	int fd = open_one(m, e, &a, leader_fd);
	if (fd >= 0)
		close(fd);
	if (leader_fd >= 0)
		close(leader_fd);
	return fd < 0 ? fd : 0;
}

int mp_event_try_precise(const struct mp_event_machine *m, const struct mp_event_words *w, struct mp_event *e)
{
	static const uint64_t weights[] = {PERF_SAMPLE_WEIGHT_STRUCT, PERF_SAMPLE_WEIGHT};
	unsigned int first = w->precise > 0 ? (unsigned int)w->precise : 3;
	unsigned int last = w->precise > 0 ? first : 1;
	bool has_weight = e->attr.sample_type & PERF_SAMPLE_WEIGHT_TYPE;
	int ret = -EOPNOTSUPP;

	for (size_t i = 0; i < (has_weight ? 2 : 1); i++) {
		if (has_weight)
			e->attr.sample_type =
			    (e->attr.sample_type & ~(uint64_t)PERF_SAMPLE_WEIGHT_TYPE) | weights[i];
		for (unsigned int p = first; p >= last; p--) {
			e->attr.precise_ip = p & 3;
			ret = mp_event_try(m, e);
			if (!ret || ret == -EACCES || ret == -EPERM)
				return ret;
		}
	}
	return ret;
}

/* How far precise_ip goes here; 0 where the kernel tells of none (it does on x86 only). */
static uint32_t max_precise(const struct mp_event_machine *m)
{
	uint32_t v = 0;

	if (mp_event_sysfs_number(m, "cpu", "caps/max_precise", &v))
		mp_event_sysfs_number(m, "cpu_core", "caps/max_precise", &v);
	return v;
}

bool mp_event_machine_has_precise(const struct mp_event_machine *m)
{
	/* AMD's kernel hands precise cycles and micro-operations on to IBS, whatever it says of itself. */
	return max_precise(m) || mp_event_sysfs_has(m, "ibs_op", "type");
}

static int explain_open(
    const struct mp_event_words *w, const struct mp_event *e, int code, struct mp_err *err)
{
	if (code == -EACCES || code == -EPERM)
		return mp_err_set(err, -code,
		    "event '%s': not permitted; give mpsample CAP_PERFMON, or lower "
		    "kernel.perf_event_paranoid%s",
		    w->text, w->kernel ? ", or leave :k out" : "");
	if (e->attr.type == PERF_TYPE_BREAKPOINT && code == -ENOSPC)
		return mp_err_set(err, ENOSPC,
		    "event '%s': this CPU's debug registers are all in use; watch fewer places", w->text);
	if (w->precise > 0 && (code == -EOPNOTSUPP || code == -EINVAL))
		return mp_err_set(err, EINVAL,
		    "event '%s': the kernel does not sample it with precise level %d here; try a lower one, "
		    "or none",
		    w->text, w->precise);
	if (w->freq && code == -EINVAL)
		return mp_err_set(err, EINVAL,
		    "event '%s': the kernel refuses it; is freq above kernel.perf_event_max_sample_rate?",
		    w->text);
	if (code == -ENOENT || code == -ENODEV || code == -EOPNOTSUPP)
		return mp_err_set(err, ENOENT,
		    "event '%s': this machine does not count it; mpsample doctor shows what it has", w->text);
	return mp_err_set(err, -code, "event '%s': perf_event_open: %s", w->text, strerror(-code));
}

static bool has_origin(const struct mp_event_machine *m, const struct mp_event_origin *o)
{
	return m->core_pmu && o->is_core ? !strcmp(m->core_pmu, o->pmu) : o->is_present;
}

/* What can be told without trying. */
static int check_machine(const struct mp_event_machine *m, const struct mp_event_words *w,
    const struct mp_event *e, const struct mp_event_origin *o, struct mp_err *err)
{
	if (o && o->is_uncore)
		return mp_err_set(err, EINVAL, "event '%s': %s counts for a whole socket, not for a process",
		    w->text, o->pmu);
	if (o && !has_origin(m, o))
		return mp_err_set(err, ENOENT,
		    "event '%s': this machine's CPU is no %s; mpsample list events shows what it has",
		    w->text, o->pmu);
	if (e->attr.precise_ip && !mp_event_machine_has_precise(m))
		return mp_err_set(err, EINVAL,
		    "event '%s': this machine's PMU has no precise levels; leave :p and precise= out",
		    w->text);
	return 0;
}

/* Measuring latency wants a precise level: without one said the highest is taken. */
static int open_as_named(
    const struct mp_event_machine *m, const struct mp_event_words *w, struct mp_event *out)
{
	if (out->quality != MP_SAMPLE_PEBS)
		return mp_event_try(m, out);
	int ret = mp_event_sysfs_leader(m, out);
	return ret ? ret : mp_event_try_precise(m, w, out);
}

static int resolve_name(const struct mp_event_machine *m, const struct mp_event_words *w,
    struct mp_event *out, struct mp_err *err)
{
	struct mp_event_origin origin;
	const struct mp_event_origin *o = NULL;
	int ret = mp_event_plain(w, out, err);

	if (ret == -ENOENT) {
		ret = mp_event_pfm_encode(w, out, &origin, err);
		o = &origin;
	}
	if (!ret)
		ret = check_machine(m, w, out, o, err);
	if (ret)
		return ret;
	int code = open_as_named(m, w, out);
	if (code)
		return explain_open(w, out, code, err);
	mp_event_tell_precise(out);
	return 0;
}

int mp_event_resolve_on(
    const struct mp_event_machine *m, const char *text, struct mp_event *out, struct mp_err *err)
{
	struct mp_event_words w;

	*out = (struct mp_event){.has_leader = false};
	int ret = mp_event_words_parse(text, &w, err);
	if (ret)
		return ret;
	mp_event_words_apply(&w, out);
	if (mp_event_is_alias(&w))
		return mp_event_alias_resolve(m, &w, out, err);
	return resolve_name(m, &w, out, err);
}

static int open_here(void *ctx, struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd)
{
	(void)ctx;
	return mp_perf_open(attr, pid, cpu, group_fd);
}

const struct mp_event_machine *mp_event_this_machine(void)
{
	static const struct mp_event_machine here = {
	    .devices = "/sys/bus/event_source/devices", .open = open_here};

	return &here;
}

int mp_event_resolve(const char *text, struct mp_event *out, struct mp_err *err)
{
	return mp_event_resolve_on(mp_event_this_machine(), text, out, err);
}

int mp_event_encode(const char *text, struct mp_event *out, struct mp_err *err)
{
	struct mp_event_origin origin;
	struct mp_event_words w;

	*out = (struct mp_event){.has_leader = false};
	int ret = mp_event_words_parse(text, &w, err);
	if (ret)
		return ret;
	mp_event_words_apply(&w, out);
	ret = mp_event_plain(&w, out, err);
	if (ret == -ENOENT && mp_event_is_ours_alone(&w))
		return mp_err_set(err, EINVAL, "event '%s': what it comes to depends on the machine", w.text);
	if (ret == -ENOENT)
		ret = mp_event_pfm_encode(&w, out, &origin, err);
	if (!ret)
		mp_event_tell_precise(out);
	return ret;
}

const char *mp_event_quality_name(enum mp_sample_quality quality)
{
	static const char *const names[MP_SAMPLE_QUALITIES] = {
	    [MP_SAMPLE_SOFTWARE] = "software",
	    [MP_SAMPLE_COUNTER] = "counter",
	    [MP_SAMPLE_PRECISE] = "precise",
	    [MP_SAMPLE_BREAKPOINT] = "breakpoint",
	    [MP_SAMPLE_DATA] = "data",
	    [MP_SAMPLE_SPE] = "spe",
	    [MP_SAMPLE_IBS] = "ibs",
	    [MP_SAMPLE_PEBS] = "pebs",
	};

	return names[quality];
}
