/* SPDX-License-Identifier: MIT */
#ifndef MP_ANALYSIS_SESSION_SPIKES_H
#define MP_ANALYSIS_SESSION_SPIKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where a series goes far above what it is in its phase. Its level there is the median of its logarithms, its
 * spread their median absolute deviation (Hampel, Journal of the American Statistical Association 69, 1974):
 * neither is moved by the spikes themselves. A step is high if it is more than 8 spreads, taken for those of
 * a normal distribution, and at least the factor `least` above the level. High steps that follow each other
 * within a phase are one spike. Of a phase with fewer than MP_SPIKE_STEPS steps there is no level, and no
 * spike. Pure; any thread.
 */
#define MP_SPIKE_STEPS 8

struct mp_spike_step {
	double value; /* >= 0; < 0: there is none, and it ends no spike */
	size_t phase; /* any number */
};

struct mp_spike {
	size_t begin, end, peak; /* steps; the end exclusive */
	double level, value;     /* what it is in this phase, and at the peak */
};

/* The spikes of n steps in their order, in a new array (NULL: out of memory, or *found is 0). */
struct mp_spike *mp_find_spikes(const struct mp_spike_step *step, size_t n, double least, size_t *found);

#endif
