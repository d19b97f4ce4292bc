/* SPDX-License-Identifier: MIT */
/*
 * An allocator in front of libc's whose malloc is slow by a known amount: of the calls since arming, every
 * 9973rd takes 1 ms, every other 997th 50 us, the rest what libc takes. It times itself, inside. One thread.
 */
#ifndef DELAY_ALLOC_H
#define DELAY_ALLOC_H

#include <stddef.h>
#include <stdint.h>

enum { DELAY_EVERY_50US = 997, DELAY_EVERY_1MS = 9973 };

/* Starts counting and delaying. The n-th call's duration goes to ticks[n - 1] while n <= capacity. */
void delay_alloc_arm(uint64_t *ticks, size_t capacity, double ns_per_tick);
/* Stops; returns the number of malloc calls since arming. */
size_t delay_alloc_disarm(void);

#endif
