/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_SPE_H
#define MP_SAMPLER_PERF_SPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/perf/level.h"

/*
 * The records of the Arm Statistical Profiling Extension, which the CPU itself writes into the aux area of an
 * arm_spe_0 event (Arm Architecture Reference Manual, "Statistical Profiling Extension sample record
 * format"): packets to what a sample is. Whatever the bytes are, nothing outside them is read.
 */
struct mp_spe_sample {
	bool has_ip, has_addr, has_time, has_context;
	bool in_kernel; /* the instruction ran above user space */
	uint64_t ip;
	uint64_t addr;       /* virtual, of the data; without the tag in its top byte */
	uint64_t time_ticks; /* of the generic timer: perf's page tells how to make nanoseconds of it */
	uint32_t context;    /* CONTEXTIDR: with CONFIG_PID_IN_CONTEXTIDR the thread */
	uint64_t events;     /* enum mp_spe_event, by number */
	/* CPU cycles; < 0: not told. The counters stop at 4095 or 65535. */
	int32_t latency;             /* from being issued or dispatched until it was done */
	int32_t issue_latency;       /* of that, until it was issued */
	int32_t translation_latency; /* of that, waiting for the address' translation */
	struct mp_access access;
};

enum mp_spe_event {
	MP_SPE_EXCEPTION = 0,
	MP_SPE_RETIRED = 1,
	MP_SPE_L1_ACCESS = 2,
	MP_SPE_L1_REFILL = 3,
	MP_SPE_TLB_ACCESS = 4,
	MP_SPE_TLB_WALK = 5,
	MP_SPE_NOT_TAKEN = 6,
	MP_SPE_MISPREDICTED = 7,
	MP_SPE_LLC_ACCESS = 8,
	MP_SPE_LLC_MISS = 9,
	MP_SPE_REMOTE_ACCESS = 10,
};

/* Whether a CPU of this MIDR_EL1 (/sys/devices/system/cpu/cpuN/regs/identification/midr_el1) numbers the
 * sources of data as the Neoverse cores N1, N2, V1 and V2 do. The architecture leaves the numbers to each. */
bool mp_spe_has_neoverse_sources(uint64_t midr);

struct mp_spe {
	const unsigned char *at, *end; /* what was not read so far */
	bool has_neoverse_sources;     /* else the level is told by the events alone */
	uint64_t bad_bytes;            /* passed over: they begin no packet */
};

void mp_spe_begin(struct mp_spe *s, const void *bytes, size_t n_bytes, bool has_neoverse_sources);

/* The next sample. False: there is no whole one; `at` is where the one begins that goes on behind `end`. */
bool mp_spe_next(struct mp_spe *s, struct mp_spe_sample *out);

#endif
