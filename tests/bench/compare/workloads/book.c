/* SPDX-License-Identifier: MIT */
/* A live window, as an order book has it: 100,000 live objects, of which random ones are replaced, their
 * memory cold. Threads share the window out among themselves. */
#include <string.h>

#include "tests/bench/compare/workloads/workload.h"

enum { OBJECTS = 100000 };

static void *book[OBJECTS];

static size_t random_size(uint64_t *random)
{
	return 32 + (target_random(random) & 511);
}

static void prepare(void)
{
	uint64_t random = 1;

	for (unsigned i = 0; i < OBJECTS; i++) {
		book[i] = malloc(random_size(&random));
		if (!book[i])
			abort();
		memset(book[i], 1, 32);
	}
}

static void batch(struct worker *w)
{
	unsigned share = OBJECTS / w->threads;
	void **mine = book + w->id * share;

	for (unsigned i = 0; i < 256; i++) {
		void **slot = &mine[target_random(&w->random) % share];

		bench_free(w, *slot);
		*slot = bench_malloc(w, random_size(&w->random));
		memset(*slot, 1, 32);
	}
	w->ops += 256;
}

const struct workload workload_book = {"book", .prepare = prepare, .batch = batch};
