/* SPDX-License-Identifier: MIT */
/*
 * An allocator in front of libc's that keeps, of each malloc since arming, what the clocks read at its first
 * and last instruction. One thread.
 */
#ifndef STAMPED_ALLOC_H
#define STAMPED_ALLOC_H

#include <stddef.h>
#include <stdint.h>

struct stamped_call {
	uint64_t start_ticks, end_ticks;
	uint64_t mono_ns; /* CLOCK_MONOTONIC, read right after start_ticks; 0 when not asked for */
};

/* With `mono` each call reads CLOCK_MONOTONIC. Each call lasts as long as its own work and `ticks_of[n % 8]`.
 */
void stamped_alloc_arm(struct stamped_call *calls, size_t capacity, int mono, const uint64_t ticks_of[8]);
/* Returns the number of calls since arming. */
size_t stamped_alloc_disarm(void);

#endif
