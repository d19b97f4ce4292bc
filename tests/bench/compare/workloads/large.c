/* SPDX-License-Identifier: MIT */
/* Blocks that glibc maps one by one: a system call at each end, and a page fault. */
#include <malloc.h>

#include "tests/bench/compare/workloads/workload.h"

/* By itself the threshold follows the blocks that are freed, and after the first nothing is mapped anymore.
 */
static void prepare(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

static void batch(struct worker *w)
{
	for (unsigned i = 0; i < 16; i++) {
		char *p = bench_malloc(w, (256 << 10) + (target_random(&w->random) & 0xfffff));

		if (!p)
			abort();
		p[64] = 1;
		bench_free(w, p);
	}
	w->ops += 16;
}

const struct workload workload_large = {"large", .prepare = prepare, .batch = batch};
