/* SPDX-License-Identifier: MIT */
#ifndef MP_PRELOAD_TICKS_H
#define MP_PRELOAD_TICKS_H

/*
 * The stamps around a call: the CPU's own counter, read as it comes. No fence: out-of-order execution moves a
 * stamp by some ns, a fence would cost more than most calls last.
 */
#include <stdint.h>
#include <time.h>

#include "sampler/preload/shared.h"

#ifdef __x86_64__
#include <x86intrin.h>
#endif

/* The counter alone: constant in rate and the same on all CPUs, or MP_WORD_MONOTONIC would be set. */
static inline uint64_t mp_ticks_counter(void)
{
#ifdef __x86_64__
	return __rdtsc();
#else
	uint64_t ticks;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#endif
}

static __attribute__((noinline, cold, unused)) uint64_t mp_ticks_monotonic(void)
{
	struct timespec t;

	clock_gettime(
	    CLOCK_MONOTONIC, &t); /* of the vDSO: no system call where the kernel's clock is sound */
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* Ticks now, in the unit that the mode word `word` says. Any thread, also in a signal handler; wait-free with
 * the counter. */
static inline uint64_t mp_ticks(uint32_t word)
{
	return __builtin_expect(!!(word & MP_WORD_MONOTONIC), 0) ? mp_ticks_monotonic() : mp_ticks_counter();
}

#endif
