/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_CLASSES_H
#define MP_SAMPLER_GC_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/gc/points.h"
#include "sampler/target.h"
#include "store/session.h"

/*
 * What memory was given out for, by class: the sums that points have counted in the kernel become rows with
 * names, slot by slot. One thread.
 */

/* `klass` as the point told it; `object_bytes`: a power of two, as in sql/schema.sql, or 0. */
struct mp_gc_given {
	size_t runtime; /* of the set */
	uint64_t klass, object_bytes;
	uint64_t events, bytes;
};

#define MP_GC_GIVEN_MAX 4096 /* different ones in a slot */

/* So many of a slot have rows by name, those of most bytes; the others are one, MP_GC_CLASS_OTHER. */
#define MP_GC_CLASSES_NAMED 63

/* What could not be named is this. */
#define MP_GC_CLASS_UNKNOWN "(unknown)"

struct mp_gc_classes;

/* Both stay the caller's; the set may grow. NULL without memory. */
struct mp_gc_classes *mp_gc_classes_new(const struct mp_target *t, const struct mp_gc_set *set);
void mp_gc_classes_free(struct mp_gc_classes *c);

/* `ctx`: a struct mp_gc_classes. Each key once a slot; beyond MP_GC_GIVEN_MAX they are ignored. */
void mp_gc_classes_take(void *ctx, const struct mp_gc_given *g);

/* A slot has ended: stores what was taken, and begins the next. Names are read now; of a class that has been
 * unloaded since it was last named it is that name. */
int mp_gc_classes_store(
    struct mp_gc_classes *c, struct mp_session *session, int64_t slot_ns, struct mp_err *err);

#endif
