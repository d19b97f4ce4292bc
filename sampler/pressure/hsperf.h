/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_HSPERF_H
#define MP_SAMPLER_PRESSURE_HSPERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/pressure/series.h"

/*
 * What HotSpot's hsperfdata file says (its format: the JDK's src/hotspot/share/runtime/perfMemory.hpp,
 * version 2). Pure: the file is the target's, hostile, and has been read into memory by the caller. Any
 * thread.
 */
#define MP_HSPERF_COLLECTORS  8
#define MP_HSPERF_GENERATIONS 4
#define MP_HSPERF_SPACES      8

/* < 0, each: not told. */
struct mp_hsperf {
	int64_t frequency; /* ticks a second of its times */
	int64_t safepoints, safepoint_ticks, safepoint_sync_ticks;
	int64_t metaspace_used_bytes, metaspace_capacity_bytes;
	struct mp_hsperf_collector {
		const char *name;
		int64_t invocations, ticks;
	} collectors[MP_HSPERF_COLLECTORS];
	struct mp_hsperf_generation {
		const char *name;
		int64_t max_bytes;
		struct mp_hsperf_space {
			const char *name;
			int64_t used_bytes, capacity_bytes, init_bytes;
		} spaces[MP_HSPERF_SPACES];
	} generations[MP_HSPERF_GENERATIONS];
	const char *vm_version, *vm_args, *policy;
};

/* The texts stay within `bytes`, and end there. -EPROTO: it is none, of another version or byte order;
 * -EAGAIN: the JVM is not done with its beginning. */
int mp_hsperf_parse(const void *bytes, size_t n, struct mp_hsperf *out);

/* hotspot.NAME for each figure that is told (sql/views/v_pressure.sql). `all`: see mp_series_since(). */
void mp_hsperf_tell(const struct mp_hsperf *h, struct mp_series *s, bool all);

/* Rows of gc_setting for runtime 'hotspot': vm_version, vm_args, collector_N, max_heap_bytes,
 * initial_heap_bytes. */
int mp_hsperf_settings(const struct mp_hsperf *h, struct mp_session *session, struct mp_err *err);

/* The heap at most and at first, by its generations; < 0: not told. */
int64_t mp_hsperf_max_heap(const struct mp_hsperf *h);
int64_t mp_hsperf_initial_heap(const struct mp_hsperf *h);

#endif
