/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_COST_H
#define MP_SAMPLER_PERF_COST_H

#include <stdint.h>

#include "sampler/uprobe/shared.h"

/*
 * What a sample with such a stack costs the thread that it is taken from, in ns: measured on the calling
 * thread by page faults with and without an event, which every machine has. An interrupt of the hardware
 * costs its own way into the kernel besides. 0: it cannot be measured here. Takes about 10 ms.
 */
uint64_t mp_perf_sample_cost_ns(enum mp_stack_mode stack);

#endif
