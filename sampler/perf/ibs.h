/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_IBS_H
#define MP_SAMPLER_PERF_IBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/perf/level.h"

/*
 * The registers of AMD's Instruction-Based Sampling as an ibs_op event hands them out with PERF_SAMPLE_RAW:
 * before Linux 6.2 that is all there is; later kernels tell the same by ADDR, DATA_SRC and WEIGHT. Sources:
 * AMD's Processor Programming References, "IBS Op Data"; arch/x86/events/amd/ibs.c of the kernel for their
 * order.
 */
struct mp_ibs_sample {
	bool has_addr, has_ip;
	uint64_t addr, ip; /* virtual */
	int32_t
	    latency; /* of a load that missed the first level, in cycles; 0 of one that hit; < 0: no load */
	struct mp_access access;
};

/* False: too short, or no access to memory. Nothing outside the bytes is read. */
bool mp_ibs_decode(const void *raw, size_t n_bytes, struct mp_ibs_sample *out);

#endif
