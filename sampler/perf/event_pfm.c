/* SPDX-License-Identifier: MIT */
/* Names that libpfm4 knows: perf's generic events and those of hundreds of PMUs. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/perf/event_priv.h"
#include "sampler/perf/pfm.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_ready;

/* Events of CPUs other than this one are a matter of the environment, which is read at the start only. */
static void start(void)
{
	static const char inactive[] = "LIBPFM_ENCODE_INACTIVE";
	bool was_set = getenv(inactive) != NULL;

	if (!was_set)
		setenv(inactive, "1", 0);
	is_ready = pfm_initialize() == PFM_SUCCESS;
	if (!was_set)
		unsetenv(inactive);
}

bool mp_pfm_ready(void)
{
	pthread_once(&once, start);
	return is_ready;
}

bool mp_pfm_each_pmu(bool (*fn)(void *ctx, const pfm_pmu_info_t *pmu), void *ctx)
{
	if (!mp_pfm_ready())
		return false;
	for (int i = 0; i < PFM_PMU_MAX; i++) {
		pfm_pmu_info_t info = {.size = sizeof(info)};

		if (pfm_get_pmu_info((pfm_pmu_t)i, &info) == PFM_SUCCESS && fn(ctx, &info))
			return true;
	}
	return false;
}

bool mp_pfm_each_event(
    const pfm_pmu_info_t *pmu, bool (*fn)(void *ctx, const pfm_event_info_t *event), void *ctx)
{
	for (int i = pmu->first_event; i != -1; i = pfm_get_event_next(i)) {
		pfm_event_info_t info = {.size = sizeof(info)};

		if (pfm_get_event_info(i, PFM_OS_PERF_EVENT_EXT, &info) == PFM_SUCCESS && fn(ctx, &info))
			return true;
	}
	return false;
}

struct core_walk {
	const struct mp_event_machine *m;
	bool (*fn)(void *ctx, const char *pmu);
	void *ctx;
};

static bool visit_core(void *ctx, const pfm_pmu_info_t *pmu)
{
	struct core_walk *w = ctx;

	if (pmu->type != PFM_PMU_TYPE_CORE)
		return false;
	if (w->m->core_pmu ? strcmp(pmu->name, w->m->core_pmu) != 0 : !pmu->is_present)
		return false;
	return w->fn(w->ctx, pmu->name);
}

bool mp_event_each_core_pmu(
    const struct mp_event_machine *m, bool (*fn)(void *ctx, const char *pmu), void *ctx)
{
	struct core_walk w = {m, fn, ctx};

	return mp_pfm_each_pmu(visit_core, &w);
}

/* One attempt, with the modifiers that libpfm4 has to check put back. */
static int encode(const struct mp_event_words *w, bool with_precise, bool with_ldlat,
    struct perf_event_attr *attr, char **spelled, int *index)
{
	char text[MP_EVENT_NAME_BYTES + 40];
	int n = snprintf(text, sizeof(text), "%s", w->base);
	pfm_perf_encode_arg_t arg = {.attr = attr, .fstr = spelled, .size = sizeof(arg)};

	if (with_precise)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ":precise=%d", w->precise);
	if (with_ldlat)
		snprintf(text + n, sizeof(text) - (size_t)n, ":ldlat=%u", w->ldlat);
	int code = pfm_get_os_event_encoding(text, PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg);
	*index = arg.idx;
	return code;
}

static int explain(const struct mp_event_words *w, int code, struct mp_err *err)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	char near[256], bad[MP_EVENT_NAME_BYTES];
	char *spelled = NULL;
	int index;

	if (code == PFM_ERR_NOTSUPP)
		return mp_err_set(err, ENOENT,
		    "event '%s': this kernel has no driver for its PMU; mpsample list events shows what "
		    "there is",
		    w->text);
	if (code == PFM_ERR_NOTFOUND) {
		mp_event_suggest(w->base, near, sizeof(near));
		return mp_err_set(err, EINVAL,
		    "no event is called '%s'; nearest are %s; mpsample list events shows more", w->base,
		    near);
	}
	if (encode(w, false, false, &attr, &spelled, &index) == PFM_SUCCESS) {
		free(spelled);
		bool is_precise = w->precise >= 0 && encode(w, true, false, &attr, &spelled, &index);
		return mp_err_set(err, EINVAL,
		    is_precise ? "event '%s': its PMU has no precise levels; leave :p and precise= out"
			       : "event '%s': it has no ldlat: only events that measure latency have one",
		    w->text);
	}
	if (mp_event_suggest_attribute(w->base, bad, sizeof(bad), near, sizeof(near)))
		return mp_err_set(
		    err, EINVAL, "event '%s' has nothing called '%s'; nearest are %s", w->text, bad, near);
	return mp_err_set(err, EINVAL, "event '%s': %s", w->text, pfm_strerror(code));
}

/* Whom to count for is told by exclude_*, how precisely by precise_ip. */
static bool is_implied(const char *attribute, size_t length)
{
	static const char *const names[] = {"u", "k", "h", "mg", "mh", "precise"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == length && !strncmp(names[i], attribute, length))
			return true;
	return false;
}

/* libpfm4 spells all out, also what is zero: only what is said stays. */
static void shorten(const char *spelled, char *out, size_t size)
{
	char copy[512], *rest = copy, *word;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", spelled);
	char *event = strstr(copy, "::");
	if (event) {
		*event = 0;
		n = (size_t)snprintf(out, size, "%s::", copy);
		rest = event + 2;
	}
	for (bool is_first = true; (word = strsep(&rest, ":")) && n < size; is_first = false) {
		const char *equals = strchr(word, '=');
		size_t length = equals ? (size_t)(equals - word) : 0;

		if (equals && (!strcmp(equals, "=0") || is_implied(word, length)))
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%s", is_first ? "" : ":", word);
	}
}

static bool event_has(int index, const char *name)
{
	pfm_event_info_t info = {.size = sizeof(info)};

	if (pfm_get_event_info(index, PFM_OS_PERF_EVENT_EXT, &info) != PFM_SUCCESS)
		return false;
	for (int i = 0; i < info.nattrs; i++) {
		pfm_event_attr_info_t a = {.size = sizeof(a)};

		if (pfm_get_event_attr_info(index, i, PFM_OS_PERF_EVENT_EXT, &a) == PFM_SUCCESS &&
		    !strcmp(a.name, name))
			return true;
	}
	return false;
}

static void tell_origin(int index, struct mp_event_origin *out)
{
	pfm_event_info_t event = {.size = sizeof(event)};
	pfm_pmu_info_t pmu = {.size = sizeof(pmu)};

	*out = (struct mp_event_origin){.pmu = ""};
	if (pfm_get_event_info(index, PFM_OS_PERF_EVENT_EXT, &event) != PFM_SUCCESS ||
	    pfm_get_pmu_info(event.pmu, &pmu) != PFM_SUCCESS)
		return;
	out->pmu = pmu.name;
	out->is_present = pmu.is_present;
	out->is_uncore = pmu.type == PFM_PMU_TYPE_UNCORE;
	out->is_core = pmu.type == PFM_PMU_TYPE_CORE;
	out->has_ldlat = event_has(index, "ldlat");
}

/* On Intel precise samples of memory instructions come with the data's address. */
static enum mp_sample_quality quality_of(const struct perf_event_attr *a, const struct mp_event_origin *o)
{
	if (a->type == PERF_TYPE_SOFTWARE)
		return MP_SAMPLE_SOFTWARE;
	if (o->has_ldlat && a->config1)
		return MP_SAMPLE_PEBS;
	if (!a->precise_ip)
		return MP_SAMPLE_COUNTER;
	return a->sample_type & PERF_SAMPLE_ADDR ? MP_SAMPLE_DATA : MP_SAMPLE_PRECISE;
}

/* Faults happen in user space, where the kernel counts them; switches and migrations in the kernel alone. */
static bool is_in_kernel(const struct perf_event_attr *a)
{
	return a->type == PERF_TYPE_SOFTWARE &&
	       (a->config == PERF_COUNT_SW_CONTEXT_SWITCHES || a->config == PERF_COUNT_SW_CPU_MIGRATIONS ||
		   a->config == PERF_COUNT_SW_CGROUP_SWITCHES);
}

static bool is_fault(const struct perf_event_attr *a)
{
	return a->type == PERF_TYPE_SOFTWARE &&
	       (a->config == PERF_COUNT_SW_PAGE_FAULTS || a->config == PERF_COUNT_SW_PAGE_FAULTS_MIN ||
		   a->config == PERF_COUNT_SW_PAGE_FAULTS_MAJ);
}

static int finish(const struct mp_event_words *w, const struct mp_event_origin *o, const char *spelled,
    struct mp_event *out, struct mp_err *err)
{
	struct perf_event_attr *a = &out->attr;

	if (is_in_kernel(a)) {
		if (w->user && !w->kernel)
			return mp_err_set(err, EINVAL,
			    "event '%s': it happens in the kernel, :u would count none; leave it out",
			    w->text);
		a->exclude_kernel = 0;
	}
	if (is_fault(a))
		a->sample_type |= PERF_SAMPLE_ADDR;
	if (a->precise_ip && o->is_core && strstr(spelled, "::MEM_"))
		a->sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC;
	out->quality = quality_of(a, o);
	if (out->quality == MP_SAMPLE_PEBS)
		a->sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT_STRUCT;
	shorten(spelled, out->chosen, sizeof(out->chosen));
	return 0;
}

int mp_event_pfm_encode(
    const struct mp_event_words *w, struct mp_event *out, struct mp_event_origin *origin, struct mp_err *err)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	char *spelled = NULL;
	int index;

	if (!mp_pfm_ready())
		return mp_err_set(err, ENOSYS, "event '%s': libpfm4 does not start on this machine", w->text);
	int code = encode(w, w->precise >= 0, w->ldlat != 0, &attr, &spelled, &index);
	if (code != PFM_SUCCESS)
		return explain(w, code, err);
	tell_origin(index, origin);
	out->attr.type = attr.type;
	out->attr.config = attr.config;
	out->attr.config1 = attr.config1;
	out->attr.config2 = attr.config2;
	out->attr.precise_ip = attr.precise_ip;
	out->attr.pinned = attr.pinned;
	out->attr.exclusive = attr.exclusive;
	int ret = finish(w, origin, spelled, out, err);
	free(spelled);
	return ret;
}
