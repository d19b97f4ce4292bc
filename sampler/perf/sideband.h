/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_PERF_SIDEBAND_H
#define MP_SAMPLER_PERF_SIDEBAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "sampler/pipeline.h"
#include "store/err.h"

/*
 * What happens to the target besides its calls: threads that begin, are renamed and end; fork and exec; code
 * that is mapped. One perf dummy event per CPU, system-wide and filtered here: unlike an event per thread it
 * costs the target nothing at its context switches. One thread.
 */
struct mp_sideband;

#define MP_SIDEBAND_RING_PAGES 64 /* of locked memory per CPU */

int mp_sideband_open(pid_t pid, struct mp_sideband **out, struct mp_err *err);
void mp_sideband_close(struct mp_sideband *s);

/* What a drain found that the recorder has to act on. */
struct mp_sideband_news {
	bool exec;     /* the target is another program now */
	bool new_code; /* it mapped code: an allocator may be in it */
};

/* Hands all that waits to the pipeline, in time order. Before calls are drained: what they ran in is known
 * then. Cheap where nothing waits. */
void mp_sideband_drain(struct mp_sideband *s, struct mp_pipeline *p, struct mp_sideband_news *news);

/* Tells what was lost since it was last asked. */
void mp_sideband_tell_lost(struct mp_sideband *s, struct mp_pipeline *p);

#endif
