/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRESSURE_HSPERF_H
#define MP_SAMPLER_PRESSURE_HSPERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	const char *vm_version, *vm_args;
};

/* The texts stay within `bytes`, and end there. -EPROTO: it is none, of another version or byte order;
 * -EAGAIN: the JVM is not done with its beginning. */
int mp_hsperf_parse(const void *bytes, size_t n, struct mp_hsperf *out);

/* The heap at most and at first, by its generations; < 0: not told. */
int64_t mp_hsperf_max_heap(const struct mp_hsperf *h);
int64_t mp_hsperf_initial_heap(const struct mp_hsperf *h);

/* G1 of JDK 17 adds some bytes to each capacity, lest one be 0 (g1MonitoringSupport.hpp): all are whole
 * pages. */
int64_t mp_hsperf_whole_pages(int64_t bytes);

/* What is not told counts nothing; < 0: neither is. */
int64_t mp_hsperf_sum(int64_t a, int64_t b);

#endif
