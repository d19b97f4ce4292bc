/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_GC_LINE_H
#define MP_SAMPLER_IMPORT_GC_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A line of HotSpot's unified log, as far as it is about garbage collections: JDK 11 to 25, any of its
 * decorations (JEP 158: each in brackets), any of its collectors. Content decides, not tags, which may be
 * missing. Pure; any thread. The text may be anything.
 */
enum mp_gc_line_kind {
	MP_GC_LINE_NONE,  /* not of such a log, or a collection that is not as it should be */
	MP_GC_LINE_OTHER, /* of such a log, but nothing that is kept */
	MP_GC_LINE_BEGIN, /* a collection begins: gc, name */
	MP_GC_LINE_PAUSE, /* a pause has ended: gc, name, cause, dur_ns, pool[0] where it tells of the heap */
	MP_GC_LINE_BESIDE,    /* work beside the program has ended: likewise */
	MP_GC_LINE_CYCLE,     /* a cycle of Z has ended: likewise; dur_ns may be missing */
	MP_GC_LINE_PHASE,     /* part of a collection: gc, name, dur_ns */
	MP_GC_LINE_POOLS,     /* gc, pool[] */
	MP_GC_LINE_REGIONS,   /* gc, pool[0] in regions, not bytes */
	MP_GC_LINE_CAPACITY,  /* gc, pool[0] has what Z has committed */
	MP_GC_LINE_NO_ROOM,   /* gc: objects found no place to move to */
	MP_GC_LINE_SAFEPOINT, /* the program was stopped: ttsp_ns, dur_ns of all of it */
	MP_GC_LINE_SETTING,   /* name, value */
	MP_GC_LINE_STALL,     /* a thread waited for memory: name is the thread's, dur_ns */
};

#define MP_GC_LINE_POOLS_MAX 3
#define MP_GC_LINE_TEXT      96

struct mp_gc_line_pool {
	const char *name;                 /* as the JVM's memory pools are called; "heap": all of it */
	int64_t before, after, committed; /* bytes; < 0: not told */
};

struct mp_gc_line {
	enum mp_gc_line_kind kind;
	int64_t uptime_ns; /* since the JVM started; < 0: not told */
	int64_t real_ns;   /* since 1970; < 0: not told */
	int64_t gc;        /* number of the collection; < 0: none */
	bool is_summed;    /* of a phase: told when the collection is over, in its order */
	char name[MP_GC_LINE_TEXT], cause[MP_GC_LINE_TEXT],
	    value[MP_GC_LINE_TEXT]; /* cause empty: not told */
	int64_t dur_ns, ttsp_ns;    /* < 0: not told */
	struct mp_gc_line_pool pool[MP_GC_LINE_POOLS_MAX];
	unsigned int pools;
};

/* `text` has no line end, and need not be terminated. */
void mp_gc_line_parse(const char *text, size_t n, struct mp_gc_line *out);

#endif
