/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_PFM_H
#define MP_SAMPLER_PERF_PFM_H

/* Before perfmon's: it then takes the kernel's attributes in place of its own, older ones. */
#include <linux/perf_event.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdbool.h>

/*
 * libpfm4, ready: with the events of all CPUs that it knows, also those of others than this one. False where
 * it cannot be. Any thread; everything else of libpfm4 only reads from then on.
 */
bool mp_pfm_ready(void);

/* Call `fn` with each until it returns true, which they return then. */
bool mp_pfm_each_pmu(bool (*fn)(void *ctx, const pfm_pmu_info_t *pmu), void *ctx);
bool mp_pfm_each_event(
    const pfm_pmu_info_t *pmu, bool (*fn)(void *ctx, const pfm_event_info_t *event), void *ctx);

#endif
