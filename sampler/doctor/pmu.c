/* SPDX-License-Identifier: MIT */
#include "sampler/doctor/pmu.h"

#include <perfmon/pfmlib.h>
#include <stdio.h>
#include <string.h>

/* The kernel's own events ("perf", raw) are present everywhere and are no hardware. */
static int is_hardware(const pfm_pmu_info_t *info)
{
	return info->is_present && (info->type == PFM_PMU_TYPE_CORE || info->type == PFM_PMU_TYPE_UNCORE);
}

void mp_pmu_known(struct mp_pmu_known *out)
{
	int code = pfm_initialize();

	*out = (struct mp_pmu_known){0};
	if (code != PFM_SUCCESS) {
		snprintf(out->names, sizeof(out->names), "%s", pfm_strerror(code));
		return;
	}
	for (int i = 0; i < PFM_PMU_MAX; i++) {
		pfm_pmu_info_t info = {.size = sizeof(info)};
		size_t n = strlen(out->names);

		if (pfm_get_pmu_info((pfm_pmu_t)i, &info) != PFM_SUCCESS || !is_hardware(&info))
			continue;
		snprintf(out->names + n, sizeof(out->names) - n, "%s%s", n ? ", " : "", info.name);
		out->pmus++;
		out->events += info.nevents;
	}
	if (!out->pmus)
		snprintf(out->names, sizeof(out->names), "unknown CPU model");
}
