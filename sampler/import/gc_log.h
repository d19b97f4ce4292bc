/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_IMPORT_GC_LOG_H
#define MP_SAMPLER_IMPORT_GC_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/append_gc.h"

/*
 * The lines of a log of HotSpot's collectors (sampler/import/gc_line.h), put together to collections: a pause
 * with the heap before and after it, its pools, its phases, and how long the threads were stopped for it,
 * which the log tells in lines of their own before and behind. One thread.
 *
 * Times are those since the JVM started, or, where the log has only those of day, since its first line. A log
 * of several runs one after the other goes on where the one before ended, or as far behind it as the time of
 * day says.
 */
#define MP_GC_LOG_POOLS  8
#define MP_GC_LOG_PHASES 64 /* of a collection; more are counted as not understood */

struct mp_gc_log_pool {
	const char *name;
	int64_t before, after, committed, max; /* bytes; < 0: not known */
};

struct mp_gc_log_phase {
	char name[96];
	int64_t t_ns, dur_ns;
};

struct mp_gc_log_collection {
	struct mp_gc_row row; /* its texts live as long as the call */
	struct mp_gc_log_pool pool[MP_GC_LOG_POOLS];
	unsigned int pools;
	struct mp_gc_log_phase phase[MP_GC_LOG_PHASES];
	unsigned int phases;
};

/* Where it goes. Each returns 0, or what ends all. */
struct mp_gc_log_sink {
	int (*collection)(void *ctx, const struct mp_gc_log_collection *c, struct mp_err *err);
	int (*setting)(void *ctx, const char *name, const char *value, struct mp_err *err);
	int (*mark)(void *ctx, int64_t t_ns, const char *name, const char *detail, struct mp_err *err);
	int (*clock)(void *ctx, int64_t t_ns, int64_t real_ns, struct mp_err *err);
	void *ctx;
};

struct mp_gc_log_totals {
	uint64_t lines, pauses, beside;
	uint64_t other;            /* of such a log, but nothing that is kept */
	uint64_t unknown;          /* not understood */
	uint64_t no_time;          /* collections without a time: not taken */
	int64_t first_ns, last_ns; /* < 0: no line had a time */
};

struct mp_gc_log;

/* NULL: no memory. */
struct mp_gc_log *mp_gc_log_new(const struct mp_gc_log_sink *sink);
/* The next bytes of the file, cut anywhere. Lines of more than 4 KiB are not understood. */
int mp_gc_log_feed(struct mp_gc_log *g, const char *text, size_t n, struct mp_err *err);
/* No more of it will come. */
int mp_gc_log_end(struct mp_gc_log *g, struct mp_err *err);
const struct mp_gc_log_totals *mp_gc_log_totals(const struct mp_gc_log *g);
void mp_gc_log_free(struct mp_gc_log *g);

/* Whether a file that begins so is such a log: one of its lines is of a collector. Pure; any thread. */
bool mp_gc_log_is_one(const char *text, size_t n);

#endif
