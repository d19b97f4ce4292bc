/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_GC_MMU_H
#define MP_ANALYSIS_GC_MMU_H

#include <stddef.h>
#include <stdint.h>

/*
 * Minimum mutator utilization: the least part of any window of a length that was left to the program (Cheng
 * and Blelloch, A Parallel, Real-Time Garbage Collector, PLDI 2001). Pauses of several runtimes may overlap:
 * they are merged. Pure; any thread.
 */
struct mp_pause {
	int64_t from_ns, to_ns;
};

/* Sorts pauses and merges what overlaps or touches, in place; how many are left. Empty ones are dropped. */
size_t mp_pauses_merge(struct mp_pause *p, size_t n);

struct mp_mmu {
	int64_t pause_ns; /* the most in one window */
	int64_t t_ns;     /* where the first such window begins */
	double mmu;       /* 1 - pause_ns / window_ns */
};

/*
 * Of merged pauses and windows within from_ns to to_ns, not longer than that. Exact, in linear time: a window
 * that holds the most begins where a pause begins or ends where one ends, or at the end of the time looked
 * at.
 */
struct mp_mmu mp_mmu_of(
    const struct mp_pause *p, size_t n, int64_t from_ns, int64_t to_ns, int64_t window_ns);

#endif
