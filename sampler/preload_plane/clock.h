/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PRELOAD_PLANE_CLOCK_H
#define MP_SAMPLER_PRELOAD_PLANE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * From the ticks that libmpsample.so stamps its records with (sampler/preload/ticks.h) to the session clock,
 * CLOCK_MONOTONIC in ns: points are taken of both clocks at once, and what lies between two of them is
 * interpolated. Nothing is extrapolated, so that no error of a rate adds up. One thread.
 */
#define MP_CLOCK_POINTS 4096

struct mp_clock_point {
	uint64_t ticks;
	int64_t ns;
};

struct mp_preload_clock {
	uint32_t word;               /* MP_WORD_MONOTONIC, or 0: ticks are the CPU's */
	struct mp_clock_point first; /* the rate is taken over the longest stretch there is */
	struct mp_clock_point points[MP_CLOCK_POINTS]; /* by time; the older, the sparser */
	size_t n;
};

/* Whether the CPU's counter runs at one rate, also in its sleep, alike on all CPUs: what /proc/cpuinfo and
 * the kernel's choice of its own clock say. The texts are parameters for tests; mp_ticks_are_sound() reads
 * the machine's. */
bool mp_ticks_are_sound_by(const char *cpu_flags, const char *clocksource);
bool mp_ticks_are_sound(void);

/* Chooses what to count in, and takes two points 20 ms apart. */
void mp_preload_clock_begin(struct mp_preload_clock *c);

/* Takes a point: times up to now can be told from here on. */
void mp_preload_clock_point(struct mp_preload_clock *c);

/* As mp_preload_clock_point(), with a point given. One that does not lie after the last begins anew: the
 * counter was set back (suspend). */
void mp_preload_clock_add(struct mp_preload_clock *c, struct mp_clock_point p);

/* The time of a stamp; before the first point that of the first, after the last that of the last. */
int64_t mp_preload_clock_ns(const struct mp_preload_clock *c, uint64_t ticks);

/* Ticks now; and so many ns as ticks. */
uint64_t mp_preload_clock_ticks(const struct mp_preload_clock *c);
uint64_t mp_preload_clock_ticks_of(const struct mp_preload_clock *c, int64_t ns);

/* ns per tick as a fixed-point number, 32.32. */
uint64_t mp_preload_clock_rate(const struct mp_preload_clock *c);

/* The median of what lies between two stamps with nothing between them, in ticks. */
uint64_t mp_preload_clock_floor(const struct mp_preload_clock *c);

#endif
