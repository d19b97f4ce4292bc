/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_EVENT_H
#define MP_SAMPLER_IMPORT_EVENT_H

#include "sampler/perf/data_file.h"
#include "store/append.h"

/* What an event of a perf.data file is for a session. */

/* As the recording calls it, or by its attributes, as perf would: "cycles", "page-faults", "r1cd". */
void mp_import_event_name(const struct mp_perf_data_event *e, const char *pmu, char *out, size_t room);

/* How it was recorded, for people: "type 4 (cpu), config 0x1cd, precise 2, period 10009". */
void mp_import_event_chosen(const struct mp_perf_data_event *e, const char *pmu, char *out, size_t room);

/* The best that its samples can be. `pmu`, what its type was called on that machine, may be NULL. */
enum mp_sample_quality mp_import_event_quality(
    const struct mp_perf_data_event *e, const char *pmu, const struct mp_perf_data_about *machine);

/* Only carries records of threads and mappings. */
bool mp_import_event_is_dummy(const struct mp_perf_data_event *e);

#endif
