/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_EVENT_H
#define MP_SAMPLER_GC_EVENT_H

#include <stdint.h>
#include <sys/types.h>

#include "sampler/gc/points.h"

/* A point (sampler/gc/points.h) was hit. */
struct mp_gc_event {
	pid_t tid;
	size_t point; /* of the set */
	int64_t t_ns;
	uint64_t allocated;            /* by its runtime, since its points went in */
	uint64_t values[MP_GC_VALUES]; /* UINT64_MAX: not told */
	char text[MP_GC_NAME_BYTES];   /* ends with a zero */
};

#endif
