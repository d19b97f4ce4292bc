/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_LEVEL_H
#define MP_SAMPLER_PERF_LEVEL_H

#include <stdint.h>

#include "store/append.h"

/*
 * From where the data of a sampled access came: PERF_SAMPLE_DATA_SRC (union perf_mem_data_src of
 * linux/perf_event.h) to what a session keeps. Kernels since 4.15 tell it twice, by mem_lvl and by
 * mem_lvl_num with mem_remote and mem_hops: the second counts where it is there. Of several levels the one
 * that is a hit.
 */
struct mp_access {
	enum mp_sample_level level;
	int tlb;      /* 1: in a TLB; 2: the page tables were walked; -1: not known */
	int is_write; /* -1: not known */
};
struct mp_access mp_access_of(uint64_t data_src);

#endif
