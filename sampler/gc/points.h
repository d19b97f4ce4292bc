/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_POINTS_H
#define MP_SAMPLER_GC_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sampler/functions/fetch.h"
#include "sampler/gc/hotspot.h"
#include "sampler/gc/profile.h"
#include "sampler/target.h"
#include "store/err.h"

/*
 * The runtimes with a garbage collector that a target has in it, and the places in their code that tell of
 * collections: the profiles (sampler/gc/profile.h), resolved.
 */
#define MP_GC_POINTS_MAX   64
#define MP_GC_RUNTIMES_MAX 4
#define MP_GC_GAUGES_MAX   8 /* of a runtime */
#define MP_GC_NAME_BYTES   48

/* What a point says in numbers. */
enum mp_gc_value {
	MP_GC_KIND,
	MP_GC_CAUSE,
	MP_GC_USED,
	MP_GC_COMMITTED,
	MP_GC_MAX,
	MP_GC_BYTES,
	MP_GC_TIME,
	MP_GC_VALUES
};

/* And in words: of these one is read at a point, others are constant. */
enum mp_gc_text { MP_GC_TEXT_KIND, MP_GC_TEXT_CAUSE, MP_GC_TEXT_POOL, MP_GC_TEXTS };

struct mp_gc_gauge {
	char name[MP_GC_NAME_BYTES];
	struct mp_fetch value; /* begins with a constant address */
	struct mp_fetch text_bytes;
	bool is_setting; /* read once */
	bool is_text;    /* `value` is its address, `text_bytes` its length, or from MP_FETCH_NOTHING */
};

struct mp_gc_runtime {
	struct mp_gc_profile profile; /* the set's */
	char module[4096];            /* path as the target sees it */
	struct mp_gc_gauge gauges[MP_GC_GAUGES_MAX];
	size_t n_gauges;
	bool counts_allocated;
	bool tells_stopped; /* when all threads have stopped */
	bool has_classes;   /* their names can be read, by `hotspot` */
	struct mp_hotspot_symbols hotspot;
};

struct mp_gc_point {
	enum mp_gc_role role;
	size_t runtime; /* index */
	struct mp_fetch values[MP_GC_VALUES];
	struct mp_fetch klass, object; /* of what memory is given out for; from MP_FETCH_NOTHING: not told */
	enum mp_gc_text read;          /* what `text` is of */
	struct mp_fetch text,
	    text_bytes; /* address, and length; from MP_FETCH_NOTHING: none, and up to its zero */
	char constant[MP_GC_TEXTS][MP_GC_NAME_BYTES]; /* or empty */

	char name[128];    /* as the profile has it, with its place */
	char module[4096]; /* as in struct mp_probe */
	char open_path[4200];
	uint64_t offset; /* file offset of the probed instruction */
	unsigned int skipped_bytes;
	uint64_t semaphore; /* of a USDT probe: file offset of its reference counter; 0: none */
	bool by_return_probe, is_stepped;
};

struct mp_gc_set {
	struct mp_gc_runtime *runtimes;
	size_t n_runtimes;
	struct mp_gc_point *points; /* those of a file stand together */
	size_t n;
	char notes[1024]; /* runtimes that are recognised and cannot be followed, and why: lines for people */
};

/* -ENOMEM, or -EINVAL for a profile that is not understood; that there is no runtime is no error. */
int mp_gc_resolve(const struct mp_target *t, struct mp_gc_set *out, struct mp_err *err);
void mp_gc_set_free(struct mp_gc_set *set);

#endif
