/* SPDX-License-Identifier: MIT */
/* Pairs of malloc and free of small sizes: each malloc finds the block that the last free left in the
 * thread's cache. The fastest that an allocator can be, and so where a tool's own cost shows most. */
#include "tests/bench/compare/workloads/workload.h"

static void batch(struct worker *w)
{
	for (unsigned i = 0; i < 256; i++)
		bench_free(w, bench_malloc(w, 16 + (i * 37 & 511)));
	w->ops += 256;
}

const struct workload workload_pairs = {"pairs", .batch = batch};
