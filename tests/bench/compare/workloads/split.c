/* SPDX-License-Identifier: MIT */
/* What one malloc and one free cost, told apart: as many blocks as the thread's cache holds (glibc: 7 of each
 * of 64 sizes) are allocated, then freed, and the two halves are timed. Peers that probe malloc alone are
 * compared by the first half. An operation is a call of each. */
#include "tests/bench/compare/workloads/workload.h"

enum { CLASSES = 64, EACH = 7 };

static void batch(struct worker *w)
{
	void *blocks[CLASSES * EACH];
	uint64_t begin = target_ns(CLOCK_THREAD_CPUTIME_ID);

	for (unsigned i = 0; i < CLASSES * EACH; i++)
		blocks[i] = bench_malloc(w, 24 + i % CLASSES * 16);
	uint64_t middle = target_ns(CLOCK_THREAD_CPUTIME_ID);

	for (unsigned i = 0; i < CLASSES * EACH; i++)
		bench_free(w, blocks[i]);
	w->free_ns += target_ns(CLOCK_THREAD_CPUTIME_ID) - middle;
	w->malloc_ns += middle - begin;
	w->ops += CLASSES * EACH;
}

const struct workload workload_split = {"split", .batch = batch};
