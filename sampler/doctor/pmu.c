/* SPDX-License-Identifier: MIT */
#include "sampler/doctor/pmu.h"

#include <stdio.h>
#include <string.h>

#include "sampler/perf/pfm.h"

static bool is_cpu(const pfm_pmu_info_t *pmu)
{
	return pmu->is_present && pmu->type == PFM_PMU_TYPE_CORE;
}

static bool add_pmu(void *ctx, const pfm_pmu_info_t *pmu)
{
	struct mp_pmu_known *out = ctx;
	size_t n = strlen(out->names);

	if (!is_cpu(pmu))
		return false;
	snprintf(out->names + n, sizeof(out->names) - n, "%s%s", n ? ", " : "", pmu->name);
	out->pmus++;
	out->events += pmu->nevents;
	return false;
}

void mp_pmu_known(struct mp_pmu_known *out)
{
	*out = (struct mp_pmu_known){0};
	mp_pfm_each_pmu(add_pmu, out);
	if (!out->pmus)
		snprintf(out->names, sizeof(out->names), "%s",
		    mp_pfm_ready() ? "unknown CPU model" : "libpfm4 does not start");
}

struct walk {
	int (*fn)(void *ctx, const char *name, const char *about);
	void *ctx;
	const char *pmu;
	int ret;
};

/* False: it has none. */
static bool each_mask(struct walk *w, const pfm_event_info_t *event)
{
	char name[256];
	bool any = false;

	for (int i = 0; i < event->nattrs && !w->ret; i++) {
		pfm_event_attr_info_t mask = {.size = sizeof(mask)};

		if (pfm_get_event_attr_info(event->idx, i, PFM_OS_PERF_EVENT_EXT, &mask) != PFM_SUCCESS ||
		    mask.type != PFM_ATTR_UMASK)
			continue;
		any = true;
		snprintf(name, sizeof(name), "%s::%s:%s", w->pmu, event->name, mask.name);
		w->ret = w->fn(w->ctx, name, mask.desc);
	}
	return any;
}

static bool each_event(void *ctx, const pfm_event_info_t *event)
{
	struct walk *w = ctx;
	char name[256];

	if (each_mask(w, event))
		return w->ret != 0;
	snprintf(name, sizeof(name), "%s::%s", w->pmu, event->name);
	w->ret = w->fn(w->ctx, name, event->desc);
	return w->ret != 0;
}

static bool each_pmu(void *ctx, const pfm_pmu_info_t *pmu)
{
	struct walk *w = ctx;

	w->pmu = pmu->name;
	return is_cpu(pmu) && mp_pfm_each_event(pmu, each_event, w);
}

int mp_pmu_each_event(int (*fn)(void *ctx, const char *name, const char *about), void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};

	mp_pfm_each_pmu(each_pmu, &w);
	return w.ret;
}
