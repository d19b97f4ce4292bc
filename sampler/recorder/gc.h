/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_RECORDER_GC_H
#define MP_SAMPLER_RECORDER_GC_H

#include "sampler/recorder/private.h"

/*
 * The recorder's part in following garbage collectors: whose points are found and probed, what is read of the
 * runtimes' memory beside them, and what it costs the target. Points of collections are few; those where
 * memory is given out may be many, and go again when they cost too much.
 */

/* Finds them, before anything is attached; then puts the probes in. That nothing is found is no error. */
int mp_recorder_resolve_gc(struct mp_recorder *r, struct mp_err *err);
int mp_recorder_open_gc(struct mp_recorder *r, struct mp_err *err);

/* The target has mapped code. */
int mp_recorder_attach_new_gc(struct mp_recorder *r, struct mp_err *err);

/* The pipeline is there. */
int mp_recorder_begin_gc(struct mp_recorder *r, struct mp_err *err);

/* Those from index `from` on go into the table of probes. */
int mp_recorder_store_gc_probes(struct mp_recorder *r, size_t from, struct mp_err *err);

/* At each tick, when all rings have just been read: applies what they told, and looks at the runtimes'
 * memory. */
int mp_recorder_tick_gc(struct mp_recorder *r, int64_t now, struct mp_err *err);

uint64_t mp_recorder_gc_cost_ns(const struct mp_recorder *r, uint64_t *hits);
int mp_recorder_store_gc_overhead(struct mp_recorder *r, struct mp_err *err);
/* What was given out in the slot that ends, by class. */
int mp_recorder_store_gc_classes(struct mp_recorder *r, struct mp_err *err);
void mp_recorder_tell_gc(const struct mp_recorder *r);

#endif
