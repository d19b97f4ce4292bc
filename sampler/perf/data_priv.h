/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_DATA_PRIV_H
#define MP_SAMPLER_PERF_DATA_PRIV_H

#include "sampler/index.h"
#include "sampler/perf/cursor.h"
#include "sampler/perf/data_file.h"

/*
 * What a perf.data file says about itself (data_describe.c): of the events, of the machine, of the files that
 * were mapped. For data_file.c alone.
 */
struct mp_perf_event_id {
	uint64_t id;
	uint32_t event;
};

struct mp_perf_build_id {
	char *path;
	char hex[41];
};

struct mp_perf_pmu {
	uint32_t type;
	char name[32];
};

struct mp_perf_description {
	struct mp_perf_data_event *events;
	size_t n_events, events_room;
	struct mp_perf_event_id *ids;
	size_t n_ids, ids_room;
	struct mp_index id_index;
	struct mp_perf_build_id *build_ids;
	size_t n_build_ids, build_ids_room;
	struct mp_index build_id_index; /* by path */
	struct mp_perf_pmu *pmus;
	size_t n_pmus, pmus_room;
	struct mp_perf_data_about about;
};

/* Numbers of features that are read (tools/perf/util/header.h). */
enum {
	FEATURE_BUILD_ID = 2,
	FEATURE_HOSTNAME,
	FEATURE_OSRELEASE,
	FEATURE_VERSION,
	FEATURE_ARCH,
	FEATURE_CPUDESC = 8,
	FEATURE_CPUID,
	FEATURE_CMDLINE = 11,
	FEATURE_EVENT_DESC,
	FEATURE_PMU_MAPPINGS = 16,
	FEATURE_CLOCK_DATA = 29,
	FEATURES = 256
};

/* The functions below take what is whole; -ENOMEM is their only failure. */

/* An attr of `n_bytes`, its number in *event; the ids follow with mp_perf_describe_ids(). */
int mp_perf_describe_attr(
    struct mp_perf_description *d, const void *bytes, size_t n_bytes, bool is_swapped, size_t *event);
int mp_perf_describe_ids(struct mp_perf_description *d, size_t event, struct cursor *c);
int mp_perf_describe_feature(struct mp_perf_description *d, unsigned int feature, struct cursor *c);
/* One record PERF_RECORD_HEADER_BUILD_ID, which is also what the feature consists of. */
int mp_perf_describe_build_id(struct mp_perf_description *d, uint16_t misc, struct cursor *body);
/* PERF_RECORD_EVENT_UPDATE */
void mp_perf_describe_update(struct mp_perf_description *d, struct cursor *body);

/* The event with this id, or MP_PERF_NO_EVENT. */
size_t mp_perf_event_of_id(struct mp_perf_description *d, uint64_t id);

/* Lower-case hex, or NULL. */
const char *mp_perf_build_id_of(struct mp_perf_description *d, const char *path);

void mp_perf_description_free(struct mp_perf_description *d);

#endif
