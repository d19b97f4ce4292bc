/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_GC_PROFILE_H
#define MP_SAMPLER_GC_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/err.h"

/*
 * Runtimes with a garbage collector, as data (sampler/profiles/gc-*.ini): how one is recognised, which of its
 * functions and USDT probes tell of a collection, and what they say. Nothing here is of a target yet.
 *
 *     [profile]
 *     name     = hotspot                      the runtime, as in v_gc
 *     about    = ...                          for people
 *     modules  = libjvm.so                    globs of file names; what is recognised has these,
 *     symbols  = runtime.mallocgc             and defines one of these
 *     known    = ...                          what is not seen, for people
 *     not_heap = CodeHeap* Metaspace          globs of pools that are no part of the heap
 *     default  = young                        the kind of a collection of which nothing is told
 *
 *     [variant NAME]                          the first is taken whose functions are all there:
 *     stop     = WHERE                        the threads are asked to stop,
 *     stopped  = WHERE                        have stopped,
 *     resume   = WHERE(time=ret)              go on; time=: when, by the runtime's own CLOCK_MONOTONIC. Where
 *                                             `stopped` is told, too, it is none before that
 *     begin    = WHERE(kind=arg1)             a collection begins to work, in the thread that it ends in
 *     end      = WHERE
 *     is       = WHERE(kind="mark")           what goes on from `stop` to `resume` is a collection
 *     tell     = WHERE(kind=..., cause=...)   of that in which it is, or of the next one of the thread
 *     before   = WHERE(pool=..., used=..., committed=..., max=...)
 *     after    = WHERE(...)                   memory before and after; outside of a pause: of a collection
 *                                             that works beside the program
 *     memory   = WHERE(pool=..., used=...)    in a pause, the first time: before it; then: after it
 *     cycle_begin, cycle_end = WHERE          a collection that works beside the program
 *     allocated = WHERE(bytes=arg2)           memory was given out: this is only summed up;
 *                                             class=: for an object of this class, object=: of this size,
 * which has memory of its own; without: for a buffer of a thread optional = allocated before after roles that
 * it can do without
 *
 *     [kinds]                                 what values of kind= mean
 *     0 = scavenge
 *     [causes]                                likewise; -: nothing
 *     1 = allocation failure
 *
 *     [classes]                               what values of class= mean
 *     names    = hotspot                      the pointer to a Klass of HotSpot (sampler/gc/hotspot.h)
 *
 *     [gauge NAME]                            in the target's memory, read ten times a second
 *     value    = u64@runtime.gcController+104
 *     version  = str@u64@runtime.buildVersion where offsets are those of a version: what says which,
 *     is       = go1.19*                      and globs of those that are meant
 *     [setting NAME]                          likewise, read once: a number, or str@...
 *     [law]                                   the next pause comes when `filled` reaches `limit`
 *     kind     = young                        of these kinds (globs); none: of any
 *     filled   = allocated                    a gauge; or `allocated`, since the last pause
 *     limit    = pool:*Eden*                  a gauge, or one less another (`a - b`); or the committed size
 * of pools after the last pause; none: learned within   = heap_marked 0.7 0.95         that limit is no less
 * than from this gauge so much of the way to the limit's first one, and no more
 *
 * WHERE is one of
 *
 *     entry:FUNCTION
 *     return:FUNCTION         by a return probe
 *     end:FUNCTION            each instruction that ends it: changes nothing on the stack, as Go needs
 *     callee:FUNCTION:N       the entry of the N-th function, from 0, that it calls: without symbols
 *     callee_end:FUNCTION:N   its ends
 *     usdt:PROVIDER:NAME
 *
 * Functions are named as in sampler/functions/text.h, values as in sampler/functions/expression.h; besides
 * there are "TEXT", str@ADDRESS and str@ADDRESS:LENGTH.
 */
enum mp_gc_role {
	MP_GC_STOP,
	MP_GC_STOPPED,
	MP_GC_RESUME,
	MP_GC_BEGIN,
	MP_GC_END,
	MP_GC_IS,
	MP_GC_TELL,
	MP_GC_BEFORE,
	MP_GC_AFTER,
	MP_GC_MEMORY,
	MP_GC_CYCLE_BEGIN,
	MP_GC_CYCLE_END,
	MP_GC_ALLOCATED,
	MP_GC_ROLES,
};

struct mp_gc_entry {
	enum mp_gc_role role;
	char *where; /* with its values */
};

struct mp_gc_variant {
	char *name;
	unsigned int optional; /* 1 << enum mp_gc_role */
	struct mp_gc_entry *entries;
	size_t n;
};

struct mp_gc_word {
	char *key, *name;
};

struct mp_gc_words {
	struct mp_gc_word *all;
	size_t n;
};

struct mp_gc_gauge_text {
	char *name, *value, *version, *is; /* `version`, `is`: NULL, of any */
	bool is_setting;
};

#define MP_GC_CLASSES_HOTSPOT "hotspot"

struct mp_gc_profile {
	const char *file;
	char *name, *about, *modules, *symbols, *known, *default_kind, *not_heap; /* NULL: not given */
	struct mp_gc_variant *variants;
	size_t n_variants;
	struct mp_gc_words kinds, causes;
	struct mp_gc_gauge_text *gauges;
	size_t n_gauges;
	char *class_names; /* MP_GC_CLASSES_HOTSPOT, or NULL */
	char *law_kind, *law_filled, *law_limit, *law_within;
};

/* The i-th of the built-in profiles. -ENOENT: there are no more; -EINVAL with file and line; -ENOMEM. */
int mp_gc_profile_load(size_t i, struct mp_gc_profile *out, struct mp_err *err);

/* A text of the same form. `file` stays the caller's. */
int mp_gc_profile_parse(const char *file, const char *text, struct mp_gc_profile *out, struct mp_err *err);
void mp_gc_profile_free(struct mp_gc_profile *p);

/* What a word of a value means, or NULL. */
const char *mp_gc_word(const struct mp_gc_words *w, const char *key);

#endif
