/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_WATCH_H
#define MP_SAMPLER_GC_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "sampler/gc/collector.h"
#include "sampler/gc/points.h"
#include "sampler/target.h"
#include "store/session.h"

/*
 * What happens in runtimes between collections: their gauges, read from outside, what they have given out,
 * and when the next pause is due by that (sampler/gc/predict.h). All of it goes to the session. One thread.
 */
struct mp_gc_watch;

/* All stays the caller's; the set may grow. `tells`: also on stderr, once a second. NULL without memory. */
struct mp_gc_watch *mp_gc_watch_new(
    const struct mp_target *t, const struct mp_gc_set *set, struct mp_session *session, bool tells);
void mp_gc_watch_free(struct mp_gc_watch *w);

/* A collection is over: those of a runtime in the order of time. */
void mp_gc_watch_collected(struct mp_gc_watch *w, const struct mp_gc_collected *c);

/* To be called some ten times a second, after all collections that had ended a moment before were told.
 * `allocated`: by runtime, as counted by its points. */
int mp_gc_watch_step(struct mp_gc_watch *w, int64_t now_ns,
    const uint64_t allocated[static MP_GC_RUNTIMES_MAX], struct mp_err *err);

#endif
