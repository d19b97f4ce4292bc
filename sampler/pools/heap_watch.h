/* SPDX-License-Identifier: MIT */
#ifndef MP_SAMPLER_POOLS_HEAP_WATCH_H
#define MP_SAMPLER_POOLS_HEAP_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "sampler/latency.h"
#include "store/session.h"

/*
 * Looks now and then at the heaps of glibc's malloc in a process and writes how fragmented they are: a pool
 * for each arena, a row of pool_heap for each look. The process is neither stopped nor changed; a process
 * without glibc, or whose malloc is another's, has no such rows. Finds heaps by itself, also those of another
 * program that the process becomes.
 *
 * What it costs: the heap is read from one end to the other, as far as blocks lie close, in steps of less
 * than half a millisecond of the caller's time with pauses between. A look begins at the earliest a second
 * after the one before, and as late as it takes to keep to 1 % of a core: a heap of 1 GB is looked at every
 * half a minute or so. The process pays only where it maps or unmaps memory while some pages are looked up:
 * microseconds.
 *
 * One thread.
 */
struct mp_heap_watch;

/* NULL without memory. All stays the caller's. */
struct mp_heap_watch *mp_heap_watch_new(pid_t pid, struct mp_session *session);
void mp_heap_watch_free(struct mp_heap_watch *w);

/* Does the next step; to be called when mp_heap_watch_next_ns() has come. Failures are of the session. */
int mp_heap_watch_step(
    struct mp_heap_watch *w, const struct mp_latency *latency, int64_t now_ns, struct mp_err *err);
int64_t mp_heap_watch_next_ns(const struct mp_heap_watch *w);

/* Since it was last asked. */
struct mp_heap_looks {
	uint64_t looks;  /* at one arena each */
	uint64_t torn;   /* that came to nothing: the heap changed too fast */
	uint64_t cpu_ns; /* of the caller */
};
struct mp_heap_looks mp_heap_watch_looks(struct mp_heap_watch *w);

#endif
