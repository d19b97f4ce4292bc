/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_CENSUS_H
#define MP_SAMPLER_CENSUS_H

#include <stdint.h>
#include <sys/types.h>

#include "sampler/pipeline.h"
#include "sampler/target.h"

/*
 * Threads and mappings of a target by looking at /proc now and then: for a recording that may not watch them
 * as they come and go (sampler/perf/sideband.h). What comes and goes between two looks is not seen, but for
 * the threads that somebody else names. One thread.
 */
struct mp_census;

struct mp_census *mp_census_new(void); /* NULL: out of memory */
void mp_census_free(struct mp_census *c);

/* Looks: begins, renames and ends threads, adds mappings with code. The target's mappings are read again. */
void mp_census_take(struct mp_census *c, struct mp_target *t, struct mp_pipeline *p, int64_t t_ns);

/* A thread was named by its calls. */
void mp_census_thread(
    struct mp_census *c, const struct mp_target *t, struct mp_pipeline *p, pid_t tid, int64_t t_ns);

#endif
