/* SPDX-License-Identifier: MIT */
/*
 * What the workloads of the comparison share. A workload is one function that does a batch of operations on
 * one of `threads` threads; round.c calls it over and over for a given time and does the measuring.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "store/histogram.h"
#include "tests/targets/target.h"

struct worker {
	unsigned id, threads; /* of so many that take part in the round */
	uint64_t random;
	bool timed;    /* time each malloc by itself, into hist */
	bool *is_over; /* the time is up: a thread that only serves others looks here */
	uint64_t ops, mallocs, frees, cpu_ns;
	uint64_t malloc_ns, free_ns;    /* of the workload that tells them apart */
	uint32_t hist[MP_HIST_BUCKETS]; /* in ticks */
};

struct workload {
	const char *name;
	unsigned min_threads;
	bool is_wall;          /* threads wait for each other: time by the clock, not of the CPU */
	void (*prepare)(void); /* once, before the program says that it is ready; may be NULL */
	void (*batch)(struct worker *w);
	void (*finish)(struct worker *w); /* after a round, on thread 0, the others at rest; may be NULL */
};

extern const struct workload workload_pairs, workload_split, workload_book, workload_handoff, workload_large;

/* The program's own view of a call: with fences, so that neither its neighbours nor the stamps overlap it. */
static inline void *bench_malloc(struct worker *w, size_t size)
{
	void *p;

	w->mallocs++;
	if (__builtin_expect(!w->timed, 1)) {
		p = malloc(size);
		TARGET_USE(p);
		return p;
	}
	uint64_t start = target_ticks();
	p = malloc(size);
	TARGET_USE(p);
	w->hist[mp_hist_bucket(target_ticks() - start)]++;
	return p;
}

static inline void bench_free(struct worker *w, void *p)
{
	w->frees++;
	free(p);
}

#endif
